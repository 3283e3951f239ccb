"""The rectifier with a learned slope: numbers worked by hand, channels, and what leaves its slope alone."""

from typing import Any

import numpy as np
import pytest

from core.errors import Invalid
from core.graph.build import build
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.graph.interpreter import interpret
from core.graph.written import written_out
from core.network import Network
from core.training.examples import Examples
from core.training.run import Run
from core.training.spec import TrainingSpec


def a_graph(shape: list[int], **node: Any) -> Graph:
    network = {
        "inputs": {"x": {"shape": shape}},
        "layers": [{"op": "prelu", "id": "p", **node}],
        "losses": [{"kind": "half_sse"}],
    }
    return build(Network.model_validate(network))


def slopes(graph: Graph, x: Any, slope: list[float]) -> tuple[Any, Any, Any]:
    """y, dL/dx and dL/da of the loss ½ Σ y²."""
    found = interpret(graph, np.array(slope), {"x": np.array(x)}, {"y": np.zeros(np.shape(x))})
    return found.values["p"], found.gradients["x"], found.parameter_gradients["p"]["slope"]


def test_one_slope_is_worked_by_hand() -> None:
    """y = (2, -1), dL/dy = y, dL/dx = (2, 0.5 · -1) and dL/da = -2 · -1; at 0 the slope of the left side holds."""
    y, dx, da = slopes(a_graph([3]), [[2.0, -2.0, 0.0]], [0.5])
    assert (y.tolist(), dx.tolist(), da.tolist()) == ([[2.0, -1.0, 0.0]], [[2.0, -0.5, 0.0]], [2.0])


def test_each_channel_has_its_own_slope() -> None:
    y, dx, da = slopes(a_graph([2, 2], channelwise=True), [[[-1.0, 3.0], [-1.0, -2.0]]], [0.5, 0.1])
    np.testing.assert_allclose(y, [[[-0.5, 3.0], [-0.1, -0.2]]])
    np.testing.assert_allclose(dx, [[[-0.25, 3.0], [-0.01, -0.02]]])
    np.testing.assert_allclose(da, [0.5, 0.1 + 0.4])


def test_slopes_start_where_they_are_told_to() -> None:
    assert initial_parameters(a_graph([3], channelwise=True), 0, "float64").tolist() == [0.25] * 3
    assert initial_parameters(a_graph([3], start=0.1), 0, "float64").tolist() == [0.1]
    assert initial_parameters(a_graph([3], params={"slope": [0.7]}), 0, "float64").tolist() == [0.7]


def test_there_is_nothing_to_draw() -> None:
    with pytest.raises(Invalid) as caught:
        a_graph([3], init="normal")
    assert [problem.pointer for problem in caught.value.problems] == ["/layers/0/init"]
    written = written_out(a_graph([3]))
    assert build(written).network == written


def test_channels_need_an_axis() -> None:
    with pytest.raises(Invalid) as caught:
        a_graph([], channelwise=True)
    assert "channelwise" in caught.value.problems[0].detail


def test_a_slope_is_learned_and_no_penalty_pulls_at_it() -> None:
    """The values have the slope 0.6 below 0; a penalty this strong would leave nothing of it."""
    network = {
        "layers": [{"op": "prelu", "id": "p"}],
        "losses": [{"kind": "mse"}],
        "inputs": {"x": {"shape": [1]}},
        "penalties": [{"kind": "l2", "strength": 100.0}],
    }
    x = np.linspace(-1, 1, 20)[:, None]
    spec = {"optimizer": {"kind": "sgd", "learning_rate": 1.0}, "batch_size": "full", "epochs": 100, "max_norm": 0.01}
    examples = Examples({"x": x}, {"y": np.where(x > 0, x, 0.6 * x)})
    run = Run(build(Network.model_validate(network)), TrainingSpec.model_validate(spec), examples)
    list(run.events())
    assert run.parameters.tolist() == [pytest.approx(0.6, abs=1e-4)]
