"""What a network has to beat: the loss of the best output that is the same for every row."""

from collections.abc import Callable, Iterator
from math import inf, isfinite

import numpy as np

from core.arrays import Array, batch_last
from core.graph.graph import Graph
from core.loss import Loss, LossSite
from core.training.examples import Examples

MOST_ENTRIES = 500_000
"""Outputs that a loss is taken of: more rows than give so many are thinned out evenly."""

MOST_STEPS = 60

Judge = Callable[[Array], tuple[float, Array]]
"""The loss of one constant output, and its slope there."""


def chance(graph: Graph, examples: Examples) -> float | None:
    """The data term of the best constant output; None where it is not finite or there is no loss.

    For cross_entropy that is the entropy of the classes' frequencies −Σ p log p, log k for k equally frequent ones; for
    bce the same of yes and no; for mse the variance of the target: of (1, 2, 3) it is 2/3. The usual minima are known
    (the logarithm of the share of each class, the mean, the median); from the best of them the loss is walked down by
    its own slope, so it is right for any loss.
    """
    if not graph.losses:
        return None
    total = sum(_least(graph, index, loss, examples) for index, loss in enumerate(graph.losses) if loss.weight > 0)
    return total if isfinite(total) else None


def _least(graph: Graph, index: int, loss: Loss, examples: Examples) -> float:
    shape = graph.shape_of(str(loss.input))
    thin = max(1, -(-examples.rows * max(1, int(np.prod(shape))) // MOST_ENTRIES))
    targets = np.asarray(examples.targets[str(loss.target)][::thin])
    weights = examples.sample_weights.get(index)
    site = LossSite(
        y=np.zeros((*shape, len(targets))),
        t=np.ascontiguousarray(batch_last(targets if targets.dtype.kind == "i" else targets.astype(np.float64))),
        dy=np.zeros((*shape, len(targets))),
        value=np.zeros(()),
        sample_weight=None if weights is None else np.asarray(weights[::thin], np.float64),
    )
    calls = [*loss.prepare(site), *loss.forward(site), *loss.backward(site)]
    # The slope that a loss writes holds its weight, its value does not.
    walk = _Walk(loss, site, calls)
    starts = [(walk.at(start), start) for start in _starts(loss, targets, shape)]
    best, start = min(starts, key=lambda one: one[0][0])
    return loss.weight * walk.down(best, start)


def _starts(loss: Loss, targets: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """Constants that are the best of some loss."""
    yield np.zeros(shape)
    if loss.target_type() == "class":
        classes = targets[(targets >= 0) & (targets < shape[-1])].astype(np.intp)
        shares = np.bincount(classes.reshape(-1), minlength=shape[-1]) / max(classes.size, 1)
        yield np.broadcast_to(np.log(np.maximum(shares, 1e-12)), shape).copy()
    elif targets.shape[1:] == shape:
        mean = targets.mean(axis=0, dtype=np.float64)
        if loss.output_scale is None:
            yield mean
            yield np.median(targets, axis=0).astype(np.float64)
        else:
            share = np.clip(mean, 1e-12, 1 - 1e-12)
            yield np.log(share) if loss.chooses_one else np.log(share) - np.log1p(-share)


class _Walk:
    """The way down of one loss over constants c; what it takes for probabilities is made of c as of logits."""

    def __init__(self, loss: Loss, site: LossSite, calls: list[Callable[[], object]]) -> None:
        self._loss, self._site, self._calls = loss, site, calls

    def at(self, constant: Array) -> tuple[float, Array]:
        """The loss, and its slope in c."""
        output, back = self._output(constant)
        self._site.y[...] = output[..., None]
        with np.errstate(all="ignore"):
            for call in self._calls:
                call()
        assert self._site.dy is not None
        value = float(self._site.value)
        return (value if isfinite(value) else inf), back(self._site.dy.sum(axis=-1) / (self._loss.weight or 1.0))

    def down(self, best: tuple[float, Array], constant: Array) -> float:
        """The least loss that steps against the slope find, each as long as it must be to go down."""
        loss, slope = best
        rate = 1.0
        for _ in range(MOST_STEPS):
            square = float((slope * slope).sum())
            if not 1e-18 < square < inf or rate < 1e-9:
                break
            there, then = self.at(constant - rate * slope)
            if there > loss - 0.3 * rate * square:
                rate *= 0.4
                continue
            constant, loss, slope, rate = constant - rate * slope, there, then, 2.0 * rate
        return loss

    def _output(self, constant: Array) -> tuple[Array, Callable[[Array], Array]]:
        """The output that c stands for, and what turns a slope of the output into one of c."""
        scale = self._loss.output_scale
        if scale in {None, "logits"}:
            return constant, lambda slope: slope
        if not self._loss.chooses_one:
            share = 1.0 / (1.0 + np.exp(-constant))
            return share, lambda slope: slope * share * (1.0 - share)
        shifted = constant - constant.max(axis=-1, keepdims=True)
        shares = np.exp(shifted) / np.exp(shifted).sum(axis=-1, keepdims=True)
        if scale == "probabilities":
            return shares, lambda slope: shares * (slope - (slope * shares).sum(axis=-1, keepdims=True))
        return np.log(shares), lambda slope: slope - shares * slope.sum(axis=-1, keepdims=True)
