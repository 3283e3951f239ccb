"""The course of a run as the rules see it: a graph, the curves, and what was noticed of its layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite, nan, sqrt
from typing import NamedTuple

import numpy as np

from core.arrays import Array, size_of
from core.graph.graph import Graph
from core.graph.layers import is_layer, layers_of, unit_axes
from core.training.statistics import EpochStatistics, NodeProbe, Probe, StepStatistics

EARLY = 10
"""Steps at the start of a run that count as its first."""

LEARNED = 0.1
"""Share of chance below which a loss is taken to show that the network has learned most there is to learn."""


class Point(NamedTuple):
    """What the curves hold of one epoch, counted from 1; None where there is no value."""

    epoch: int
    learning_rate: float
    training: float | None
    """Mean loss while the weights moved, without penalties."""

    validation: float | None


class Failure(NamedTuple):
    """How a run ended whose numbers overflowed."""

    node: str | None
    step: int
    epoch: int
    """The last whole one."""


@dataclass(frozen=True)
class Updates:
    """u = |update| / |weights| by look and tensor; NaN where there is none."""

    ratios: Array
    epochs: Array
    """Of each look."""

    nodes: Sequence[str]
    """Of each tensor."""

    def median(self, since: int = 0) -> float:
        """Over all looks from an epoch on; NaN of none."""
        known = self.ratios[self.epochs >= since]
        known = known[~np.isnan(known)]
        return float(np.median(known)) if known.size else nan

    def beyond(self, most: float) -> tuple[int, int] | None:
        """The first and the last epoch with an update larger than that."""
        epochs = self.epochs[(self.ratios > most).any(axis=1)]
        return (int(epochs[0]), int(epochs[-1])) if epochs.size else None

    def largest(self, since: int = 0) -> tuple[float, str]:
        """The largest from an epoch on, and its node; there is one."""
        ratios = np.where(np.isnan(self.ratios), -inf, self.ratios)
        ratios[self.epochs < since] = -inf
        place = np.unravel_index(int(ratios.argmax()), ratios.shape)
        return float(ratios[place]), self.nodes[int(place[1])]


@dataclass(frozen=True)
class Course:
    """A run up to an epoch. Everything that is said about it is a function of this."""

    graph: Graph
    classes: bool
    """Whether the loss tells classes apart; else it measures distances between numbers."""

    rescales: bool
    """Whether the optimizer takes steps of about the same size whatever the size of the gradient, as Adam does."""

    chance: float | None
    """The loss of the best constant prediction; None where there is none to compare with."""

    points: Sequence[Point]
    statistics: Sequence[EpochStatistics]
    failure: Failure | None = None

    @property
    def last(self) -> int:
        """The last whole epoch."""
        return self.points[-1].epoch if self.points else 0

    @cached_property
    def probes(self) -> Sequence[Probe]:
        """The closer looks, in their order."""
        return [one.probe for one in self.statistics if one.probe is not None]

    @cached_property
    def start(self) -> Probe | None:
        """The look before training."""
        return next((probe for probe in self.probes if probe.epoch == 0), None)

    @cached_property
    def layers(self) -> Sequence[str]:
        """Nodes with weights of their own that are drawn, in the order of the graph."""
        return [node.id for node in layers_of(self.graph)]

    @cached_property
    def path(self) -> Sequence[str]:
        """The layers on the path to a loss that has most of them, the first first."""
        count: dict[str, int] = {}
        before: dict[str, str] = {}
        for node in self.graph.nodes:
            feeding = max(node.inputs, key=lambda name: count.get(name, 0))
            count[node.id] = count.get(feeding, 0) + is_layer(node)
            before[node.id] = feeding
        judged = [str(loss.input) for loss in self.graph.losses]
        name = max(judged, key=lambda name: count.get(name, 0), default="")
        path = []
        while name in self.graph.node:
            path.append(name)
            name = before[name]
        layers = set(self.layers)
        return [name for name in reversed(path) if name in layers]

    @cached_property
    def hidden(self) -> frozenset[str]:
        """Nodes with another layer between them and every loss."""
        reaches: set[str] = set()
        behind: set[str] = set()
        for node in reversed(self.graph.nodes):
            if node.id in behind:
                reaches.add(node.id)
            if node.id in behind or is_layer(node):
                behind.update(node.inputs)
        return frozenset(reaches)

    def quotient(self, probe: Probe) -> float | None:
        """q: the back-propagated signal of the first layer of the path over that of the last; None if it is unknown."""
        if len(self.path) < 2:
            return None
        seen = looks(probe)
        first, last = (self.signal(seen[name]) for name in (self.path[0], self.path[-1]))
        return first / last if first is not None and last else None

    def signal(self, look: NodeProbe) -> float | None:
        """The back-propagated signal of a layer: rms(dL/dz), times √positions where positions share the weights.

        A mean over P pixels or steps divides the slope of each by P, and yet all P add up in the weights' gradient.
        """
        if look.slope_rms is None or not isfinite(look.slope_rms):
            return None
        shape = self.graph.node[look.node].shape
        units = shape[self._unit_axes[look.node]] if shape else 1
        return look.slope_rms * sqrt(size_of(shape) / units)

    @cached_property
    def _unit_axes(self) -> Mapping[str, int]:
        return unit_axes(self.graph)

    def share_of_chance(self, loss: float | None) -> float | None:
        """A loss over that of the best constant; None where either is unknown."""
        return loss / self.chance if loss is not None and isfinite(loss) and self.chance else None

    def has_learned(self, loss: float | None) -> bool:
        """Whether a loss shows that most has been learned."""
        share = self.share_of_chance(loss)
        return share is not None and share <= LEARNED

    @property
    def first_loss(self) -> float | None:
        """The loss before training."""
        return self.start.loss if self.start is not None and isfinite(self.start.loss) else None

    @property
    def latest_loss(self) -> float | None:
        """The training loss of the last whole epoch; before that, the loss at the start."""
        return self.points[-1].training if self.points else self.first_loss

    @cached_property
    def steps(self) -> Sequence[tuple[int, StepStatistics]]:
        """The updates that were looked at, each with its epoch."""
        return [(one.epoch, step) for one in self.statistics for step in one.steps]

    @cached_property
    def updates(self) -> Updates:
        """|update| / |weights| of every tensor that is drawn, in every update that was looked at."""
        drawn = {(node.id, name) for node in self.graph.nodes for name, one in node.parameters.items() if one.is_drawn}
        places = [place for place, piece in enumerate(self.graph.layout) if (piece.node, piece.name) in drawn]
        nodes = [self.graph.layout[place].node for place in places]
        shape = (len(self.steps), len(self.graph.layout))
        weights, moved = (
            np.array([getattr(step, name) for _, step in self.steps], float).reshape(shape)[:, places]
            for name in ("weight_norms", "update_norms")
        )
        with np.errstate(all="ignore"):
            ratios = np.where(np.isfinite(moved), moved, inf) / weights
        ratios[~(np.isfinite(weights) & (weights > 0))] = nan
        # What starts at zero can but move by much of itself.
        early = np.array([step.step < EARLY for _, step in self.steps], bool)
        ratios[np.ix_(early, weights[0] == 0 if len(weights) else [])] = nan
        return Updates(ratios, np.array([epoch for epoch, _ in self.steps], int), nodes)


def looks(probe: Probe) -> Mapping[str, NodeProbe]:
    """What a probe saw of each node."""
    return {look.node: look for look in probe.nodes}
