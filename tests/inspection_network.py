"""The network of the reference numbers for inspection, and those numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Array

Json = dict[str, Any]

REFERENCE: Json = json.loads((Path(__file__).parent / "reference" / "inspection.json").read_text())


def parameters_of(flat: list[float]) -> Json:
    """A flat vector of the network as `params` by node: W1 row-major, b1, W2, b2."""
    W1, b1, W2, b2 = np.split(np.array(flat), [12, 16, 28])
    return {
        "first": {"W": W1.reshape(3, 4).tolist(), "b": b1.tolist()},
        "last": {"W": W2.reshape(4, 3).tolist(), "b": b2.tolist()},
    }


def network() -> Json:
    """Tanh hidden layer and cross-entropy of three logits."""
    given = REFERENCE["network"]
    return {
        "inputs": {"x": {"shape": [3]}},
        "layers": [
            {"op": "dense", "id": "first", "params": {"W": given["W1"], "b": given["b1"]}},
            {"op": "tanh", "id": "tanh"},
            {"op": "dense", "id": "last", "params": {"W": given["W2"], "b": given["b2"]}},
        ],
        "losses": [{"kind": "cross_entropy"}],
    }


def examples(rows: list[int] | None = None) -> Json:
    """Inputs and targets of these rows, by default all eight."""
    given = REFERENCE["network"]
    rows = list(range(len(given["x"]))) if rows is None else rows
    return {"inputs": {"x": [given["x"][row] for row in rows]}, "targets": {"y": [given["y"][row] for row in rows]}}


def a_body(rows: list[int] | None = None, **fields: Any) -> Json:
    """A question about the network and these rows."""
    return {"subject": {"network": network()}, **examples(rows), **fields}


def close(found: Any, wanted: Any, tolerance: float = 1e-9) -> bool:
    """Whether every number agrees, to the tolerance of the largest."""
    a, b = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    return a.shape == b.shape and largest(a - b) <= tolerance * largest(b)


def largest(array: Array) -> float:
    return float(np.abs(array).max(initial=0))
