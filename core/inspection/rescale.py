"""DeepLIFT's rescale rule: what each input contributes to the difference from a baseline, in one backward pass."""

from collections.abc import Mapping

import numpy as np

from core.arrays import Array
from core.graph.graph import Graph, Node
from core.graph.interpreter import Pass, Rule, chain_rule
from core.inspection.explained import Explained, Points, combined, sources
from core.op import Site

NEAR = 1e-8
"""Difference of inputs, for inputs of order 1, below which the slope stands for the quotient of differences."""


def without_rule(graph: Graph, places: Mapping[str, Array], output: str) -> list[Node]:
    """The nodes between the places and an output whose op neither is affine nor acts on each entry alone."""
    moved = _moved_by(graph, places)
    between = moved & sources(graph, output)
    return [node for node in graph.nodes if node.id in between and node.op.effect == "mixed"]


def _moved_by(graph: Graph, places: Mapping[str, Array]) -> set[str]:
    """The nodes that depend on one of the places and are none of them."""
    moved = set(places)
    for node in graph.nodes:
        if moved.intersection(node.inputs):
            moved.add(node.id)
    return moved - set(places)


def rescaled_contributions(explained: Explained, baseline: Points) -> dict[str, Array]:
    """Multipliers times x − x₀, which sum to f(x) − f(x₀).

    A multiplier goes backward as a gradient does, but through an op on each entry alone it is multiplied by
    (y − y₀) / (x − x₀) instead of the slope. `without_rule` must be empty.

    Source: Shrikumar et al. 2017, "Learning important features through propagating activation differences", section
    3.5.2.
    """
    done, before = explained.forward(explained.point), explained.forward(baseline)
    explained.output.differentiate(explained.posed.graph, done, _rule(before))
    distance = combined(explained.point, baseline, np.subtract)
    return combined(explained.read(done), distance, np.multiply)


def _rule(before: Pass) -> Rule:
    def rule(node: Node, site: Site) -> None:
        chain_rule(node, site)
        dx = site.dx[0]
        if node.op.effect == "entrywise" and dx is not None:
            at_baseline = before.sites[node.id]
            distance = site.x[0] - at_baseline.x[0]
            far = np.abs(distance) > NEAR * np.maximum(1.0, np.abs(site.x[0]))
            np.divide(site.y - at_baseline.y, distance, out=distance, where=far)
            assert site.dy is not None
            np.multiply(distance, site.dy, out=dx, where=far)

    return rule
