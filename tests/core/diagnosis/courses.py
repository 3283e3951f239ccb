"""Courses of runs put together by hand: the healthy one, and whatever a test changes in it."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.diagnosis.course import Course, Failure, Point
from core.diagnosis.judge import judge
from core.diagnosis.verdict import Verdict
from core.graph.build import build
from core.graph.graph import Graph
from core.network import Network
from core.training.statistics import EpochStatistics, NodeProbe, Probe, StepStatistics

CHANCE = 1.0


def a_network(*activations: str, units: int = 4, loss: str = "cross_entropy", **fields: Any) -> Graph:
    """Dense layers of 4 units, or more, each with its activation behind it, and a last one of 3 units without."""
    layers: list[dict[str, Any]] = [
        layer for activation in activations for layer in ({"op": "dense", "units": units}, {"op": activation})
    ]
    described = {
        "inputs": {"x": {"shape": [4]}},
        "layers": [*layers, {"op": "dense", "units": 3}],
        "losses": [{"kind": loss}],
    }
    return build(Network.model_validate(described | fields))


def a_look(graph: Graph, epoch: int = 0, loss: float = 1.1, **nodes: Mapping[str, Any]) -> Probe:
    """A healthy look, in which some fields of some nodes are others."""
    looks = []
    for node in graph.nodes:
        usual: dict[str, Any] = {
            "mean": 0.0,
            "std": 1.0,
            "quantiles": (-1.6, -0.7, 0.0, 0.7, 1.6),
            "slope_rms": 0.01,
            "dead": 0.0 if node.op.op == "relu" else None,
            "saturated": 0.0 if node.op.op in {"sigmoid", "tanh"} else None,
            "identical": 0.0 if node.op.op == "dense" else None,
            "non_finite": 0,
        }
        looks.append(NodeProbe(node=node.id, op=node.op.op, **(usual | dict(nodes.get(node.id, {})))))
    return Probe(epoch, loss, looks)


def a_step(
    graph: Graph, number: int, *, update: float = 1e-3, weights: float = 1.0, gradient: float = 0.1
) -> StepStatistics:
    """A step in which all tensors are alike: the norms of an update, of the weights and of the gradient."""
    count = len(graph.layout)
    return StepStatistics(number, 0.01, [gradient] * count, [weights] * count, [update] * count, [0.01] * count)


def a_course(
    graph: Graph,
    looks: Sequence[Probe] = (),
    *,
    losses: Sequence[float] = (0.8, 0.6, 0.5),
    validation: Sequence[float | None] | None = None,
    steps: Mapping[int, Sequence[StepStatistics]] | None = None,
    **changes: Any,
) -> Course:
    """A run with these training losses by epoch."""
    validated = validation or [loss * 1.05 for loss in losses]
    points = [
        Point(epoch, 0.01, training, seen)
        for epoch, (training, seen) in enumerate(zip(losses, validated, strict=True), 1)
    ]
    taken = {epoch: [a_step(graph, 10 * epoch + one) for one in range(3)] for epoch in range(1, len(losses) + 1)}
    by_epoch = {look.epoch: look for look in looks}
    statistics = [
        EpochStatistics(epoch, (taken if steps is None else steps).get(epoch, ()), by_epoch.get(epoch))
        for epoch in range(len(losses) + 1)
    ]
    fields: dict[str, Any] = {"classes": True, "rescales": False, "chance": CHANCE, "failure": None} | changes
    return Course(graph=graph, points=points, statistics=statistics, **fields)


def verdict_of(course: Course, code: str) -> Verdict | None:
    """What one rule says of a course."""
    return next((verdict for verdict in judge(course) if verdict.code == code), None)


def codes(course: Course) -> set[str]:
    """The codes of all that is said of it."""
    return {verdict.code for verdict in judge(course)}


__all__ = ["CHANCE", "Failure", "a_course", "a_look", "a_network", "a_step", "codes", "verdict_of"]
