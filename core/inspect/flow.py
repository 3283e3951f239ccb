"""How do signals flow through the layers: what activates, what comes back, and how much an update would move?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Model, batch_last
from core.errors import Invalid, Problem
from core.graph.graph import Graph, Node, Slice
from core.graph.interpreter import Pass
from core.graph.layers import is_layer, layers_of, unit_axes
from core.inspection.batch import BatchQuestion, Posed
from core.inspection.objective import flat_gradient, total
from core.inspection.question import History, Library
from core.optimizer import Optimizer
from core.optimizers import AnyOptimizer
from core.optimizers.adam import Adam
from core.optimizers.sgd import Sgd
from core.pointwise import Pointwise
from core.training.probe import (
    dead_share,
    finite_part,
    flat_share,
    identical_share,
    local_slopes,
    moments,
    quantiles,
    rms,
    units_of,
)
from core.training.statistics import QUANTILES
from core.training.updater import Updater

MOST_UNITS = 1000
"""Units of a node that are listed one by one."""

MOST_POINTS = 100
"""Checkpoints that one answer tells of."""

_BACKWARD = 2
"""A backward pass takes about twice the operations of the forward pass."""

Epoch = Annotated[int, Field(ge=0, le=1_000_000)]


class TensorFlow(Model):
    """A parameter tensor; numbers are null where an entry is not finite, and those of its gradient without targets."""

    weight_norm: float | None
    gradient_norm: float | None
    """L2 of d objective / d tensor, penalties included."""

    gradient_rms: float | None
    gradient_mean_abs: float | None
    gradient_max_abs: float | None
    gradient_std_over_weight_std: float | None
    """Standard deviation of its gradient over that of itself; null for a tensor of equal entries."""

    sgd_update_to_weight: float | None
    """|update| / |weights| of plain descent: rate · |g| / |w|; null without a rate, or for a tensor of zeros."""

    adam_first_update_to_weight: float | None
    """The same of Adam's first step, in which every entry moves by about the rate."""

    update_to_weight: float | None
    """The same of the first step of the `optimizer` of the request."""

    non_finite: int
    """Entries of it and of its gradient that are no numbers."""


class UnitFlow(Model):
    """Each unit of a node over all rows, and over all positions or steps; a channel is one unit."""

    mean: list[float | None]
    std: list[float | None]
    """Divided by n."""


class NodeFlow(Model):
    """The value of a node over all rows; entries that are not finite are counted and otherwise left out."""

    op: str
    mean: float | None
    std: float | None
    """Divided by n."""

    quantiles: dict[str, float | None]
    units: UnitFlow | None
    """Null in a summary, and for more than 1000 units."""

    slope_rms: float | None
    """rms(dL/d value), L the data term; null without targets."""

    mean_local_slope: float | None
    """Mean of f'(x) of an activation y = f(x)."""

    dead: float | None
    """Share of units above 0 for no row, of an op that passes nothing on there; else null."""

    saturated: float | None
    """Share of entries with a slope below 6 % of the steepest, of an op that saturates at both ends; else null."""

    identical: float | None
    """Share of pairs of units with the same values for every row, of a layer with several; else null."""

    non_finite: int


class LayerFlow(Model):
    """A node with weights, all its weights together; biases are left out."""

    node: str
    slope_rms: float | None
    """rms(dL/dz), z its value and L the data term: the signal that reaches it."""

    weight_norm: float | None
    gradient_norm: float | None
    update_to_weight: float | None
    """Of the first step of the `optimizer`, of plain descent if there is none."""


class Flow(Model):
    """The network at one time."""

    epoch: int | None
    """Of the checkpoint, where the answer goes through several."""

    learning_rate: float | None
    loss: float | None
    """The objective."""

    layers: list[LayerFlow]
    """In topological order; every use of shared weights is one."""

    first_to_last_slope_ratio: float | None
    """rms(dL/dz) of the first layer over that of the last: far below 1 the signal vanishes, far above it explodes."""

    first_to_last_weight_gradient_norm_ratio: float | None
    """The same of the gradients of their weights. It misses an explosion, in which those are huge in all layers."""

    tensors: dict[str, TensorFlow]
    """By node and parameter: `dense_1.W`."""

    nodes: dict[str, NodeFlow]


class FlowAnswer(Model):
    """One entry for the subject as it is, or one for each checkpoint of a range of epochs."""

    points: list[Flow]


class FlowQuestion(BatchQuestion):
    """The signals of one batch, forward and back, and what a first update would move.

    `include` does not apply: all parts are given; with `summary` no single units.
    """

    question: Literal["flow"] = "flow"

    sentence: ClassVar[str] = "How do signals flow through the layers, forward and back, and how far do updates move?"

    learning_rate: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Step size of the updates; left out with `batch` or `epochs`, that of the run at the time."""

    optimizer: AnyOptimizer | None = None
    """Whose first step is measured beside those of plain descent and of Adam; it has the rate of `learning_rate`, or
    else its own."""

    epochs: Annotated[list[Epoch], Field(min_length=2, max_length=2)] | None = None
    """For a model of a job: the first and the last epoch, at whose kept checkpoints the same batch is computed."""

    def work(self, library: Library) -> float:
        """The passes of all points. Raises Invalid."""
        posed = self.pose(library)
        forward = sum(node.op.flops(node.input_shapes) for node in posed.graph.nodes) * posed.examples.rows
        return float((1 + _BACKWARD) * forward * len(self._points(library)))

    def answer(self, library: Library) -> FlowAnswer:
        """Forward and, where there are targets, backward, at each point. Raises Invalid."""
        if self.include is not None:
            raise Invalid([Problem("/include", "`flow` gives all its parts: leave it out")])
        posed, history = self.pose(library), self._history(library)
        found = []
        for epoch in self._points(library):
            at = posed
            if epoch is not None:
                assert history is not None
                at = replace(posed, parameters=history.checkpoints[epoch]().astype(np.float64))
            found.append(self._flow(at, epoch, self._rate(history, epoch)))
        return FlowAnswer(points=found)

    def _history(self, library: Library) -> History | None:
        """How the model was trained, if the request asks for something of that."""
        if self.epochs is None and self.batch is None:
            return None
        if self.subject.model is None:
            raise Invalid([Problem("/epochs", "is for a model, whose checkpoints are kept; leave it out")])
        return library.history(self.subject.model)

    def _points(self, library: Library) -> Sequence[int | None]:
        """The epochs to compute; None stands for the subject as it is."""
        history = self._history(library)
        if self.epochs is None or history is None:
            return [None]
        first, last = self.epochs
        points = [epoch for epoch in sorted(history.checkpoints) if first <= epoch <= last]
        if not points:
            kept = sorted(history.checkpoints)[:MOST_POINTS]
            raise Invalid([Problem("/epochs", "no checkpoint is kept of these epochs", allowed=kept, got=self.epochs)])
        if len(points) > MOST_POINTS:
            detail = f"{len(points)} checkpoints are kept of these epochs; ask for {MOST_POINTS} at most"
            raise Invalid([Problem("/epochs", detail, got=self.epochs)])
        return points

    def _rate(self, history: History | None, epoch: int | None) -> float | None:
        """The rate of the next update: as asked, or that of the epoch that follows in the run."""
        if self.learning_rate is not None or history is None:
            return self.learning_rate
        rates = history.learning_rates
        at = epoch if epoch is not None else history.epoch
        at = max(rates, default=0) if at is None else at
        return rates.get(at + 1, rates.get(at))

    def _flow(self, posed: Posed, epoch: int | None, rate: float | None) -> Flow:
        done, graph = posed.run(), posed.graph
        with np.errstate(all="ignore"):
            gradient = flat_gradient(graph, posed.parameters, done) if posed.has_targets else None
            moves = _updates(posed, gradient, rate, self.optimizer)
            tensors = {f"{piece.node}.{piece.name}": _tensor(piece, posed, gradient, moves) for piece in graph.layout}
            axes = unit_axes(graph)
            nodes = {
                node.id: _node(node, done, units_axis=axes[node.id], lists_units=not self.summary)
                for node in graph.nodes
            }
            layers = [_layer(graph, node, posed, gradient, moves, nodes[node.id]) for node in layers_of(graph)]
            loss = float(total(graph, posed.parameters, done)) if posed.has_targets else None
        return Flow(
            epoch=epoch,
            learning_rate=rate,
            loss=_finite(loss),
            layers=layers,
            first_to_last_slope_ratio=_ends([layer.slope_rms for layer in layers]),
            first_to_last_weight_gradient_norm_ratio=_ends([layer.gradient_norm for layer in layers]),
            tensors=tensors,
            nodes=nodes,
        )


def _updates(
    posed: Posed, gradient: Array | None, rate: float | None, optimizer: Optimizer | None
) -> Mapping[str, Array]:
    """What the first step of each rule changes in the learned parameters, by the name of what it is told as."""
    if gradient is None:
        return {}
    rules: dict[str, Optimizer] = {}
    if rate is not None:
        rules = {"sgd": Sgd(learning_rate=rate), "adam": Adam(learning_rate=rate)}
    if optimizer is not None:
        rules["asked"] = optimizer
    return {name: _first_update(posed, gradient, rule, rate or rule.learning_rate) for name, rule in rules.items()}


def _first_update(posed: Posed, gradient: Array, rule: Optimizer, rate: float) -> Array:
    count = posed.graph.parameter_count
    before, after = posed.parameters[:count], posed.parameters[:count].copy()
    updater = Updater(rule, after, gradient[:count].copy())
    updater.prepare(1, rate)
    for call in updater.calls:
        call()
    return after - before


def _tensor(piece: Slice, posed: Posed, gradient: Array | None, moves: Mapping[str, Array]) -> TensorFlow:
    place = slice(piece.start, piece.stop)
    weights = posed.parameters[place]
    slope = np.full(weights.shape, math.nan) if gradient is None else gradient[place]
    strange = np.count_nonzero(~np.isfinite(weights))
    if gradient is not None:
        strange += np.count_nonzero(~np.isfinite(slope))
    size, spread = _length(weights), float(weights.std())
    return TensorFlow(
        weight_norm=_finite(size),
        gradient_norm=_finite(_length(slope)),
        gradient_rms=_finite(_length(slope) / math.sqrt(slope.size)),
        gradient_mean_abs=_finite(float(np.abs(slope).mean())),
        gradient_max_abs=_finite(float(np.abs(slope).max())),
        gradient_std_over_weight_std=_quotient(float(slope.std()), spread),
        sgd_update_to_weight=_moved(moves, "sgd", [place], size),
        adam_first_update_to_weight=_moved(moves, "adam", [place], size),
        update_to_weight=_moved(moves, "asked", [place], size),
        non_finite=int(strange),
    )


def _node(node: Node, done: Pass, *, units_axis: int, lists_units: bool) -> NodeFlow:
    value, slope = batch_last(done.values[node.id]), done.gradients.get(node.id)
    finite, strange = finite_part(value)
    mean, std = moments(finite) if finite.size else (None, None)
    units, op = units_of(value, units_axis), node.op
    x = done.sites[node.id].x[0]
    return NodeFlow(
        op=op.op,
        mean=mean,
        std=std,
        quantiles={
            f"{share:g}": number if finite.size else None
            for share, number in zip(QUANTILES, quantiles(finite, None), strict=True)
        },
        units=_units(units) if lists_units and len(units) <= MOST_UNITS else None,
        slope_rms=None if slope is None else _finite(rms(batch_last(slope))),
        mean_local_slope=_finite(float(local_slopes(node, x).mean())) if isinstance(op, Pointwise) else None,
        dead=dead_share(units) if op.dies else None,
        saturated=None if op.steepest is None else flat_share(node, x, op.steepest),
        identical=identical_share(units) if is_layer(node) else None,
        non_finite=strange,
    )


def _units(units: Array) -> UnitFlow:
    found = [moments(finite_part(unit)[0]) for unit in units]
    return UnitFlow(mean=[_finite(mean) for mean, _ in found], std=[_finite(std) for _, std in found])


def _layer(  # noqa: PLR0917
    graph: Graph, node: Node, posed: Posed, gradient: Array | None, moves: Mapping[str, Array], look: NodeFlow
) -> LayerFlow:
    drawn = {name for name, parameter in node.parameters.items() if parameter.is_drawn}
    places = [
        slice(piece.start, piece.stop) for piece in graph.layout if piece.node == node.owner and piece.name in drawn
    ]
    size = _length_of(posed.parameters, places)
    return LayerFlow(
        node=node.id,
        slope_rms=look.slope_rms,
        weight_norm=_finite(size),
        gradient_norm=None if gradient is None else _finite(_length_of(gradient, places)),
        update_to_weight=_moved(moves, "asked" if "asked" in moves else "sgd", places, size),
    )


def _moved(moves: Mapping[str, Array], rule: str, places: Sequence[slice], size: float) -> float | None:
    """|update| / |weights| of these tensors together."""
    return _quotient(_length_of(moves[rule], places), size) if rule in moves else None


def _length_of(vector: Array, places: Sequence[slice]) -> float:
    return math.hypot(*(_length(vector[place]) for place in places))


def _length(vector: Array) -> float:
    return float(np.linalg.norm(vector))


def _ends(numbers: Sequence[float | None]) -> float | None:
    """The first over the last."""
    if not numbers or numbers[0] is None or numbers[-1] is None:
        return None
    return _quotient(numbers[0], numbers[-1])


def _quotient(above: float, below: float) -> float | None:
    return _finite(above / below) if below > 0 else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
