"""Max-norm: after each update no unit's incoming weights are longer than the bound, and nothing else has changed."""

from typing import Any

import numpy as np
import pytest

from core.arrays import Array
from core.graph.build import Surroundings, build
from core.graph.graph import Graph
from core.network import InputSpec, Network
from core.training.events import EpochEnded
from core.training.examples import Examples
from core.training.max_norm import MaxNorm
from core.training.run import Run
from core.training.spec import TrainingSpec


def a_graph() -> Graph:
    layers: list[dict[str, Any]] = [
        {"op": "dense", "id": "a", "units": 6},
        {"op": "prelu", "id": "p"},
        {"op": "dense", "id": "b", "units": 2},
    ]
    network = Network.model_validate({"layers": layers, "losses": [{"kind": "mse"}]})
    return build(network, Surroundings(inputs={"x": InputSpec(shape=[4])}))


def lengths(graph: Graph, flat: Array) -> Array:
    """Of the weights that feed each unit of both layers."""
    views = graph.views(flat.astype(np.float64))
    return np.concatenate([np.linalg.norm(views[node]["W"], axis=0) for node in ("a", "b")])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_units_are_shortened_and_the_rest_keeps_its_bits(dtype: type[np.floating]) -> None:
    graph = a_graph()
    flat = np.random.default_rng(0).normal(size=graph.size).astype(dtype)
    before = flat.copy()
    bound = float(np.median(lengths(graph, flat)))
    for call in MaxNorm(graph, flat, bound).calls:
        call()
    is_long = lengths(graph, before) > bound
    assert 0 < is_long.sum() < is_long.size
    np.testing.assert_allclose(lengths(graph, flat)[is_long], bound, rtol=4 * float(np.finfo(dtype).eps))
    after, old = graph.views(flat), graph.views(before)
    for node, first in (("a", 0), ("b", 6)):
        long = is_long[first : first + after[node]["W"].shape[1]]
        np.testing.assert_array_equal(after[node]["W"][:, ~long], old[node]["W"][:, ~long])
        np.testing.assert_array_equal(after[node]["b"], old[node]["b"])
        directions = after[node]["W"][:, long] / old[node]["W"][:, long]
        np.testing.assert_allclose(directions, np.broadcast_to(directions[0], directions.shape), rtol=1e-5)
    np.testing.assert_array_equal(after["p"]["slope"], old["p"]["slope"])


def test_units_without_weights_stay_without() -> None:
    graph = a_graph()
    flat = np.zeros(graph.size, np.float32)
    with np.errstate(all="raise"):
        for call in MaxNorm(graph, flat, 0.5).calls:
            call()
    assert not flat.any()


def a_run(**spec: Any) -> Run:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(40, 4))
    examples = Examples({"x": x}, {"y": 10 * x[:, :2] + 5})
    settings = {"optimizer": {"kind": "sgd", "learning_rate": 0.05}, "batch_size": 8, "epochs": 20} | spec
    return Run(a_graph(), TrainingSpec.model_validate(settings), examples)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_a_run_stays_within_the_bound_and_moves_on(kind: str) -> None:
    run = a_run(max_norm=1.5, optimizer={"kind": kind, "learning_rate": 0.05})
    losses = []
    for event in run.events():
        assert lengths(run.graph, run.parameters).max() <= 1.5 * (1 + 1e-6)
        if isinstance(event, EpochEnded):
            losses.append(event.training["loss"])
    free = a_run(optimizer={"kind": kind, "learning_rate": 0.05})
    list(free.events())
    assert lengths(run.graph, free.parameters).max() > 1.5
    assert losses[-1] < losses[0]
    # A bias may be longer than the bound: the targets lie around 5.
    assert np.abs(run.graph.views(run.parameters)["b"]["b"]).max() > 1.5


def test_a_bound_that_is_never_met_changes_no_bit() -> None:
    bound, free = a_run(max_norm=1e3), a_run()
    list(bound.events()), list(free.events())
    assert bound.checkpoint() == free.checkpoint()
