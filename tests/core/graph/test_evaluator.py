"""Forward passes over many rows."""

import numpy as np
import pytest

from core.graph.build import build
from core.graph.evaluator import Evaluator
from core.graph.initial import initial_parameters
from core.network import Network


@pytest.mark.parametrize("width", [3, 200_000])
def test_outputs_are_those_of_the_formula_however_many_rows_fit_into_a_plan(width: int) -> None:
    """Of a network of 200,000 values only 64 rows are computed at a time."""
    layers = [{"op": "dense", "id": "a", "units": width}, {"op": "tanh"}, {"op": "dense", "id": "b", "units": 1}]
    graph = build(Network.model_validate({"inputs": {"x": {"shape": [2]}}, "layers": layers}))
    parameters = initial_parameters(graph, 0, np.float64)
    x = np.random.default_rng(0).normal(size=(150, 2))
    a, b = (graph.views(parameters)[name] for name in ("a", "b"))
    wanted = np.tanh(x @ a["W"] + a["b"]) @ b["W"] + b["b"]
    np.testing.assert_allclose(Evaluator(graph, parameters).outputs({"x": x}), wanted, rtol=1e-9, atol=1e-12)
