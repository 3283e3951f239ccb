"""A closer look at a network: some rows forward and backward, and what that tells of every node."""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import isfinite, sqrt

import numpy as np

from core.arrays import Array
from core.graph.evaluator import largest_batch
from core.graph.graph import Graph, Node
from core.graph.layers import is_layer, unit_axes
from core.graph.plan import Plan
from core.graph.sites import Wanted
from core.op import Site
from core.training.examples import Examples
from core.training.statistics import FLAT, MOST_RANKED, PROBE_ROWS, QUANTILES, NodeProbe, Probe
from core.training.step import norm

WANTED = Wanted(node_gradients=True)
"""What a probe computes: the loss, and its gradient with respect to every node."""


class Prober:
    """The rows that a run is probed on, bound to the content of its parameters and to a place for its gradient."""

    def __init__(self, graph: Graph, examples: Examples, parameters: Array, gradient: Array) -> None:
        """`examples` are in the run's precision; `gradient` is written to by every probe."""
        rows = probe_rows(graph, examples.rows)
        chosen = examples.take(np.arange(rows) * examples.rows // rows)
        self._graph = graph
        self._plan = Plan(graph, rows, parameters, wanted=WANTED, gradient=gradient)
        self._plan.load(chosen.inputs, chosen.targets)
        for term, weights in self._plan.buffers.sample_weights.items():
            weights[...] = chosen.sample_weights[term]

    def probe(self, epoch: int) -> Probe:
        """The network as it is now, after this epoch."""
        with np.errstate(all="ignore"):
            self._plan.forward()
            self._plan.backward()
        buffers = self._plan.buffers
        return probe(self._graph, buffers.values, buffers.gradients, epoch=epoch, loss=self._plan.loss())


def probe_rows(graph: Graph, rows: int) -> int:
    """How many of so many rows a run is probed on: fewer than PROBE_ROWS if the network is very wide."""
    return min(PROBE_ROWS, rows, largest_batch(graph))


def probe(
    graph: Graph, values: Mapping[str, Array], gradients: Mapping[str, Array], *, epoch: int, loss: float
) -> Probe:
    """What values (…, n) and gradients dL/d value (…, n) of every node tell; without a loss there are no gradients."""
    axes = unit_axes(graph)
    nodes = [_node(node, values, gradients.get(node.id), axes[node.id]) for node in graph.nodes]
    return Probe(epoch, loss, nodes)


def _node(node: Node, values: Mapping[str, Array], gradient: Array | None, axis: int) -> NodeProbe:
    value = values[node.id]
    finite, count = finite_part(value)
    mean, std = moments(finite)
    return NodeProbe(
        node=node.id,
        op=node.op.op,
        mean=mean,
        std=std,
        quantiles=quantiles(finite),
        slope_rms=None if gradient is None else rms(finite_part(gradient)[0]),
        dead=dead_share(units_of(value, axis)) if node.op.dies else None,
        saturated=None if node.op.steepest is None else flat_share(node, values[node.inputs[0]], node.op.steepest),
        identical=identical_share(units_of(value, axis)) if is_layer(node) else None,
        non_finite=count,
    )


def finite_part(array: Array) -> tuple[Array, int]:
    """The finite entries: the array itself if their squares are finite too, else in float64; and how many are not."""
    # A sum of squares is finite only if every entry is: 10 times as fast as asking each.
    flat = array.reshape(-1)
    if isfinite(flat.dot(flat)):
        return array, 0
    kept = array[np.isfinite(array)]
    return kept.astype(np.float64), array.size - kept.size


def units_of(value: Array, axis: int) -> Array:
    """A value (…, n) as (units, positions · n): one row a unit."""
    if value.ndim == 1:
        return value.reshape(1, -1)
    turned = np.moveaxis(value, axis, 0)
    return turned.reshape(len(turned), -1)


def moments(array: Array) -> tuple[float, float]:
    """Mean and standard deviation (divided by n); both are 0 for no entries."""
    if not array.size:
        return 0.0, 0.0
    flat = array.reshape(-1)
    pieces = [flat[start : start + PIECE] for start in range(0, flat.size, PIECE)]
    # A product with ones is 5 times as fast as a sum in float64, and sums of 16,384 products lose no digit that counts.
    ones = np.ones(min(PIECE, flat.size), flat.dtype)
    mean = sum(float(piece.dot(ones[: piece.size])) for piece in pieces) / flat.size
    centered = (piece - flat.dtype.type(mean) for piece in pieces)
    return mean, sqrt(sum(float(piece.dot(piece)) for piece in centered) / flat.size)


PIECE = 16_384
"""Entries that are computed at a time, so that a probe takes little memory beside its plan."""


def rms(array: Array) -> float:
    """√ of the mean square; 0 for no entries."""
    return norm(array.reshape(-1)) / sqrt(max(array.size, 1))


def quantiles(array: Array, most: int | None = MOST_RANKED) -> list[float]:
    """At QUANTILES, of at most so many entries, between two by their distance; all 0 for no entries."""
    if not array.size:
        return [0.0] * len(QUANTILES)
    flat = array.reshape(-1)
    # An odd stride meets all rows, however many of them lie beside one another.
    stride = 1 if most is None or flat.size <= most else -(-flat.size // most) | 1
    ranked = np.sort(flat[::stride]).astype(np.float64)
    found = np.interp(np.multiply(QUANTILES, ranked.size - 1), np.arange(ranked.size), ranked)
    return [float(value) for value in found]


def dead_share(units: Array) -> float:
    """The share of rows of (units, n) without an entry above 0."""
    return float(np.mean(~np.any(units > 0, axis=1)))


def identical_share(units: Array) -> float | None:
    """The share of pairs of rows of (units, n) that are equal; None for a single one.

    By hashes: of the first entries, and only where those are equal of all.
    """
    count = len(units)
    if count < 2:
        return None
    begins = _hashes(units[:, :_BEGIN])
    often = Counter(begins)
    alike = (unit for unit, begin in zip(units, begins, strict=True) if often[begin] > 1)
    equal = Counter(_hashes(alike)).values()
    return sum(times * (times - 1) for times in equal) / (count * (count - 1))


_BEGIN = 256
"""Entries of a unit that nearly always tell it from others."""


def _hashes(rows: Iterable[Array]) -> list[int]:
    # Adding 0 makes −0 into 0, which is the same number.
    return [hash((row + 0.0).tobytes()) for row in rows]


def flat_share(node: Node, x: Array, steepest: float) -> float:
    """The share of the slopes of y = f(x), x (…, n), below FLAT times the steepest."""
    rows = max(1, PIECE * x.shape[-1] // max(x.size, 1))
    pieces = (x[..., start : start + rows] for start in range(0, x.shape[-1], rows))
    return sum(int(np.count_nonzero(local_slopes(node, piece) < FLAT * steepest)) for piece in pieces) / x.size


def local_slopes(node: Node, x: Array) -> Array:
    """f'(x) (…, n) of a node y = f(x) that acts entry by entry: its own backward pass for dy = 1."""
    y, dy, dx = np.zeros(x.shape, x.dtype), np.ones(x.shape, x.dtype), np.zeros(x.shape, x.dtype)
    site = Site(x=(x,), y=y, dy=dy, dx=(dx,), params={}, dparams={})
    with np.errstate(all="ignore"):
        for call in (*node.op.forward(site), *node.op.backward(site)):
            call()
    return dx
