"""Small networks around one op, so that a question can be put to every op there is."""

from typing import Any

import numpy as np
import pytest

from core.arrays import Shape
from core.op import Op
from core.ops import OPS

Body = dict[str, Any]

every_op = pytest.mark.parametrize(
    ("op", "shapes"),
    [
        pytest.param(op, shapes, id=f"{kind}-{index}")
        for kind, found in OPS.items()
        for index, (op, shapes) in enumerate(found.examples())
    ],
)


def question_about(op: Op, shapes: list[Shape], *, rows: int = 2, **rest: Any) -> Body:
    """The op, called `op`, between one dense layer for each of its inputs (`before_0`) and a squared error.

    An op of whole numbers stands first.
    """
    generator = np.random.default_rng(11)
    limit = op.index_limit()
    names = [f"x_{index}" for index in range(len(shapes))]
    given = shapes if limit else [shape or (1,) for shape in shapes]
    inputs = {
        name: generator.normal(size=(rows, *shape)) if limit is None else generator.integers(0, limit, (rows, *shape))
        for name, shape in zip(names, given, strict=True)
    }
    before = [] if limit else [node for index, shape in enumerate(shapes) for node in _before(index, shape)]
    feeding = [f"before_{index}" for index in range(len(shapes))] if before else names
    stated = op.model_dump(mode="json", exclude_none=True)
    kind = "float" if limit is None else "int"
    return {
        "subject": {
            "network": {
                "inputs": {
                    name: {"shape": list(shape), "dtype": kind} for name, shape in zip(names, given, strict=True)
                },
                "nodes": [*before, stated | {"id": "op", "inputs": feeding}],
                "losses": [{"kind": "mse", "input": "op"}],
            }
        },
        "inputs": {name: array.tolist() for name, array in inputs.items()},
        "targets": {"y": generator.normal(size=(rows, *op.output_shape(shapes))).tolist()},
        "seed": 5,
    } | rest


def _before(index: int, shape: Shape) -> list[Body]:
    """A dense layer that keeps the shape; a single number comes out of a list of one."""
    name = f"before_{index}"
    if shape:
        return [{"id": name, "op": "dense", "units": shape[-1], "inputs": [f"x_{index}"]}]
    return [
        {"id": f"row_{index}", "op": "dense", "units": 1, "inputs": [f"x_{index}"]},
        {"id": name, "op": "select", "inputs": [f"row_{index}"]},
    ]
