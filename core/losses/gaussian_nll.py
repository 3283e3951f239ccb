"""Negative log-likelihood of numbers whose uncertainty is learned, too."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np

from core.arrays import Array, Call, Shape, at_least_double, call, size_of
from core.calls import constant, larger
from core.loss import Loss, LossSite, TargetType, weigh_examples
from core.op import ShapeMismatch


class GaussianNll(Loss):
    """l = ½ (v + (t − μ)² exp(−v)) for means μ and log variances v, halves of outputs (…, 2k), and targets (…, k).

    Slopes are (μ − t) exp(−v) and ½ (1 − (t − μ)² exp(−v)); the constant ½ log 2π is left out. Below v = −18
    (float64: −100) exp(−v) goes on in a straight line, so that neither loss nor slope overflows. In other units of t
    the means are other by the same factor, v by a constant, and so is the loss. The mean is over the targets.

    Source: Nix and Weigend 1994, "Estimating the Mean and Variance of the Target Probability Distribution", eq. 3.
    """

    kind: Literal["gaussian_nll"] = "gaussian_nll"

    has_free_units: ClassVar[bool] = True

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = generator.normal(size=(4, 6)), generator.normal(size=(4, 3))
        sequence = generator.normal(size=(4, 2, 2)), generator.normal(size=(4, 2, 1))
        return [
            (cls(), outputs, targets),
            (cls(reduction="sum"), outputs, targets),
            (cls(weight=0.3), *sequence),
        ]

    def target_type(self) -> TargetType:
        return "number"

    def target_shape(self, output: Shape) -> Shape:
        if not output or output[-1] % 2:
            raise ShapeMismatch("needs an even number of outputs: the means, and as many log variances behind them")
        return (*output[:-1], output[-1] // 2)

    def output_width(self, target_width: int) -> int:
        return 2 * target_width

    def numbers(self, outputs: Array) -> Array:
        return outputs[..., : outputs.shape[-1] // 2]

    def deviations(self, outputs: Array) -> Array:
        """exp(v / 2), infinite where that exceeds float64."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(outputs[..., outputs.shape[-1] // 2 :] / 2))

    def forward(self, site: LossSite) -> Sequence[Call]:
        parts, calls = _parts(site), _find_parts(site)
        wide = site.scratch("wide", site.t.shape, at_least_double(site.y.dtype))
        # In float32 the product of three large factors may overflow where each of them does not.
        return [
            *calls,
            call(np.copyto, wide, parts.error),
            call(np.multiply, wide, wide, wide),
            call(np.multiply, wide, parts.precision, wide),
            call(np.add, wide, parts.log_variance, wide),
            *weigh_examples(wide, site),
            call(wide.reshape(-1).dot, np.full(wide.size, 0.5 * self._factor(site), wide.dtype), site.value),
        ]

    def backward(self, site: LossSite) -> Sequence[Call]:
        assert site.dy is not None
        parts, scale = _parts(site), self.weight * self._factor(site)
        by_mean, by_log_variance = _halves(site.dy)
        return [
            *_find_parts(site),
            call(np.multiply, parts.error, parts.precision, by_mean),
            call(np.multiply, by_mean, constant(scale, by_mean), by_mean),
            # The derivative of the precision is minus what it was before the straight line began to add to it.
            call(np.multiply, parts.error, parts.error, by_log_variance),
            call(np.multiply, by_log_variance, parts.steepest, by_log_variance),
            call(np.subtract, constant(1.0, site.dy), by_log_variance, by_log_variance),
            call(np.multiply, by_log_variance, constant(0.5 * scale, site.dy), by_log_variance),
            *weigh_examples(site.dy, site),
        ]

    def kinks(self, site: LossSite) -> Sequence[Callable[[], Array]]:
        least = _least_log_variance(site.y)
        return [lambda: _halves(site.y)[1].real < least]

    def _factor(self, site: LossSite) -> float:
        return 1.0 / size_of(site.t.shape) if self.reduction == "mean" else 1.0


class _Parts(NamedTuple):
    log_variance: Array
    error: Array
    precision: Array
    """exp(−v), continued in a straight line."""

    steepest: Array
    """exp(−v) with v held where the line begins: minus the slope of the precision."""


def _parts(site: LossSite) -> _Parts:
    work = [site.scratch(name, site.t.shape) for name in ("error", "precision", "steepest")]
    return _Parts(_halves(site.y)[1], *work)


def _find_parts(site: LossSite) -> Sequence[Call]:
    """Calls that write what both passes need."""
    log_variance, error, precision, steepest = _parts(site)
    mean, _ = _halves(site.y)
    return [
        call(np.subtract, mean, site.t, error),
        larger(log_variance, constant(_least_log_variance(site.y), steepest), steepest),
        call(np.subtract, steepest, log_variance, precision),
        call(np.add, precision, constant(1.0, precision), precision),
        call(np.negative, steepest, steepest),
        call(np.exp, steepest, steepest),
        call(np.multiply, precision, steepest, precision),
    ]


def _halves(array: Array) -> tuple[Array, Array]:
    """Views of the means and the log variances in an array (…, 2k, n)."""
    half = array.shape[-2] // 2
    return array[..., :half, :], array[..., half:, :]


def _least_log_variance(like: Array) -> float:
    """With it a square of 1e30 times the precision is a number of that type, as are the slopes of errors of 1e15."""
    return -18.0 if np.finfo(like.dtype).maxexp < 1000 else -100.0
