"""The reference networks as requests to inspect, and their numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "reference"

_MODES = {"train": "training", "eval": "evaluation"}

Case = dict[str, Any]


def cases() -> list[Case]:
    """Every reference case."""
    return [case for path in sorted(FOLDER.glob("networks_*.json")) for case in json.loads(path.read_text())["cases"]]


def case(name: str) -> Case:
    """The case of that name."""
    return next(case for case in cases() if case["name"] == name)


def request_of(case: Case) -> dict[str, Any]:
    """The body that asks for the gradients of a case: `attrs` stand flat in the node."""
    return {
        "subject": {
            "network": {
                "inputs": {
                    name: {"shape": list(np.shape(given["data"])[1:]), "dtype": given["dtype"]}
                    for name, given in case["inputs"].items()
                },
                "nodes": [
                    {name: value for name, value in node.items() if name != "attrs"} | node.get("attrs", {})
                    for node in case["nodes"]
                ],
                "losses": case["loss"]["terms"],
                "penalties": [
                    {"kind": one["kind"], "strength": one["lambda"], "params": [".".join(at) for at in one["params"]]}
                    for one in case["loss"].get("penalties", [])
                ],
            }
        },
        "inputs": {name: given["data"] for name, given in case["inputs"].items()},
        "targets": {name: given["data"] for name, given in case["targets"].items()},
        "mode": _MODES[case["mode"]],
    }


def agrees(answer: dict[str, Any], case: Case, tolerance: float = 1e-10) -> bool:
    """Whether an answer has every number of the reference, each tensor measured by its own largest entry."""
    expected = case["expected"]
    pairs = [
        (answer["loss"], expected["loss"]),
        (answer["loss_terms"], expected["loss_terms"]),
        (answer["penalties"], expected.get("penalty_terms", [])),
        *((answer["values"][node], value) for node, value in expected["nodes"].items()),
        *((answer["gradients"]["nodes"][node], value) for node, value in expected["grad_nodes"].items()),
        *((answer["gradients"]["inputs"][name], value) for name, value in expected["grad_inputs"].items()),
        *(
            (answer["gradients"]["params"][node][name], value)
            for node, values in expected["grad_params"].items()
            for name, value in values.items()
        ),
        *(
            (answer["state"][node][name], value)
            for node, values in expected.get("state_after", {}).items()
            for name, value in values.items()
        ),
    ]
    return all(_close(found, wanted, tolerance) for found, wanted in pairs)


def _close(found: Any, wanted: Any, tolerance: float) -> bool:
    a, b = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    return a.shape == b.shape and bool((np.abs(a - b) <= tolerance * np.abs(b).max(initial=0)).all())
