"""The loss of an output that is the same for every row: what is reached without looking at the inputs."""

import numpy as np

from core.arrays import Array, Shape, at_least_double, batch_last
from core.classes import Scale
from core.entrywise import Entrywise
from core.graph.graph import Graph
from core.loss import Loss, LossSite
from core.training.examples import Examples

_HALVINGS = 120
"""Of the interval in which the best number is looked for; 64 of them exhaust float64, and some go to the width."""

_LEAST = 1e-300
"""A frequency of 0 counts as this much, so that it has a logarithm."""


def chance(graph: Graph, examples: Examples) -> float | None:
    """The data term of the best constant output; None where a loss has no such output that is known here.

    For cross_entropy that is the entropy of the classes' frequencies −Σ p log p, log k for k equally frequent ones; for
    bce the same of yes and no; for mse the variance of the target: of (1, 2, 3) it is 2/3.
    """
    total = 0.0
    for index, loss in enumerate(graph.losses):
        target = examples.targets[str(loss.target)]
        output = _best_output(loss, graph.shape_of(str(loss.input)), target)
        if output is None:
            return None
        site = _site(loss, output, target, examples.sample_weights.get(index))
        with np.errstate(all="ignore"):
            for call in (*loss.prepare(site), *loss.forward(site)):
                call()
        total += loss.weight * float(site.value)
    return total if np.isfinite(total) else None


def _site(loss: Loss, output: Array, target: Array, weights: Array | None) -> LossSite:
    y = np.repeat(output[..., None], len(target), axis=-1)
    t = batch_last(target.astype(np.intp) if loss.target_type() == "class" else target.astype(np.float64))
    return LossSite(y, t, np.zeros_like(y), np.zeros((), at_least_double(y.dtype)), weights)


def _best_output(loss: Loss, shape: Shape, target: Array) -> Array | None:
    """The output of one example that all examples share."""
    if loss.output_scale is not None:
        return _on_scale(_frequencies(loss, shape, target), loss, loss.output_scale)
    if isinstance(loss, Entrywise):
        return _best_numbers(loss, shape, target)
    return None


def _frequencies(loss: Loss, shape: Shape, target: Array) -> Array:
    """How often each class occurs, as an output of this shape; smoothed as the loss smooths its targets."""
    if loss.target_type() == "class":
        counted = target[target != getattr(loss, "ignore_index", None)].astype(np.intp)
        share = np.bincount(counted.reshape(-1), minlength=shape[-1]) / max(counted.size, 1)
    elif _chooses_one(loss, shape):
        share = target.reshape(-1, shape[-1]).mean(axis=0)
    else:
        share = target.mean(axis=0)
    smoothing = getattr(loss, "label_smoothing", 0.0)
    classes = shape[-1] if _chooses_one(loss, shape) else 2
    return np.broadcast_to((1.0 - smoothing) * share + smoothing / classes, shape)


def _on_scale(share: Array, loss: Loss, scale: Scale) -> Array:
    if scale == "probabilities":
        return share.copy()
    logs = np.log(np.maximum(share, _LEAST))
    if scale == "log_probabilities" or _chooses_one(loss, share.shape):
        return np.asarray(logs)
    return np.asarray(logs - np.log(np.maximum(1.0 - share, _LEAST)))


def _chooses_one(loss: Loss, shape: Shape) -> bool:
    return loss.chooses_one and shape[-1:] != (1,)


def _best_numbers(loss: Loss, shape: Shape, target: Array) -> Array:
    """Where the summed slope of a convex loss changes its sign, found by halving for all entries of an output at once.

    The interval holds the logarithms of counts as well as the numbers themselves.
    """
    largest = np.abs(target).max(initial=0.0) + 50.0
    low, high = np.full(shape, -largest), np.full(shape, largest)
    for _ in range(_HALVINGS):
        middle = low + (high - low) / 2
        site = _site(loss, middle, target, None)
        for call in (*loss.prepare(site), *loss.backward(site)):
            call()
        assert site.dy is not None
        falls = site.dy.sum(axis=-1) < 0
        low, high = np.where(falls, middle, low), np.where(falls, high, middle)
    return np.asarray(low + (high - low) / 2)
