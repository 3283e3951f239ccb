"""How much the gradients of examples agree: noise, tests of the batch size, conflicts. All from inner products.

With G_mn = g_m · g_n for the gradients of n examples, ḡ their mean and Σ their unbiased covariance:
g_n · ḡ is the mean of row n of G, |ḡ|² the mean of all of it, and tr Σ = (Σ |g_n|² − n |ḡ|²) / (n − 1).
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Model
from core.inspection.by_example import ByExample
from core.inspection.tensors import finite

MOST_LISTED = 20
"""Pairs and outliers that are named."""

OUTLYING = 3.5
"""Robust standard deviations above the median from which a number is called an outlier (Iglewicz and Hoaglin 1993)."""

_NORMAL_MAD, _NORMAL_MEAN = 1.482602218505602, 1.2533141373155001
"""A normal distribution's standard deviation over its median, and over its mean, absolute deviation."""

_FLOOR = 1e-5
"""Added to variances that are divided by, as Cockpit does."""


class NoiseScale(Model):
    """About how many examples a batch needs before its gradient is more signal than noise.

    Source: McCandlish, Kaplan and Amodei 2018, "An Empirical Model of Large-Batch Training", eq. 2.8 and appendix A.1.
    """

    simple: float | None
    """tr Σ / |ḡ|², which is too small, since |ḡ|² has noise in it; null where ḡ is 0 or n is 1."""

    squared_gradient: float | None
    """|ḡ|² − tr Σ / n: without bias, the squared norm of the gradient of all data; can be negative."""

    unbiased: float | None
    """tr Σ / squared_gradient; null where that is not above 0: the batch is too small to tell."""


class BatchTests(Model):
    """Tests that tell whether a batch is large enough, and the quantities of Cockpit; null where ḡ is 0 or n is 1.

    Source: Schneider, Dangel and Hennig 2021, "Cockpit", table 1 and appendix C.
    """

    norm: float | None
    """√(tr Σ / n) / |ḡ|: the least θ for which the norm test takes the batch to be large enough (Byrd 2012)."""

    inner_product: float | None
    """The same of the part of the noise along ḡ (Bollapragada, Byrd and Nocedal 2018, eq. 2.6)."""

    orthogonality: float | None
    """The same of the part across ḡ, ν there (eq. 3.3)."""

    mean_signal_to_noise: float | None
    """Mean over the parameters of ḡ² / (v + 1e-5), v the biased variance (GSNR, Liu 2020)."""

    early_stopping: float | None
    """1 − n / P · Σ ḡ² / (v + 1e-5), v the unbiased variance: above 0 the gradient is no more than noise, and it is
    time to stop (Mahsereci 2017, eq. 7)."""

    batch_size: float | None
    """learning rate · tr Σ / loss, the size that suits the rate (CABS, Balles 2017, eq. 22); null without a rate
    or where the loss is not above 0."""


class Pair(Model):
    """Two examples by their rows."""

    rows: Annotated[list[int], Field(min_length=2, max_length=2)]
    cosine: float


class Conflicts(Model):
    """Pairs of examples whose gradients point away from one another: what helps one harms the other."""

    pairs: int
    """Pairs that could be compared: of an example without a gradient there are none."""

    negative: int
    """How many of them have a cosine below 0."""

    minimum_cosine: float | None
    """Of all pairs: gradient confusion (Sankararaman 2020), normalized."""

    most: list[Pair]
    """Those that conflict most, at most 20."""


class Outlier(Model):
    """An example whose loss or gradient is far larger than is usual in the batch."""

    row: int
    measure: Literal["loss", "gradient_norm"]
    value: float
    score: float
    """Robust standard deviations above the median: (value − median) / (1.4826 · MAD), from 3.5 on."""


def trace_covariance(found: ByExample) -> float | None:
    """tr Σ, the sum of the unbiased variances of all entries; None for one example."""
    examples = len(found.losses)
    if examples == 1:
        return None
    total = float(np.trace(found.gram)) - examples * _square(found.mean)
    # What is left of equal gradients is rounding, of either sign.
    return finite(max(total, 0.0) / (examples - 1))


def noise_scale(found: ByExample) -> NoiseScale:
    """Simple and unbiased."""
    trace, square = trace_covariance(found), _square(found.mean)
    if trace is None or not np.isfinite(square):
        return NoiseScale(simple=None, squared_gradient=None, unbiased=None)
    unbiased = square - trace / len(found.losses)
    return NoiseScale(
        simple=_ratio(trace, square),
        squared_gradient=unbiased,
        unbiased=_ratio(trace, unbiased) if unbiased > 0 else None,
    )


def batch_tests(found: ByExample, learning_rate: float | None) -> BatchTests:
    """All of them, from sums over the examples."""
    n, trace, square = len(found.losses), trace_covariance(found), _square(found.mean)
    if trace is None or not 0 < square < np.inf:
        return BatchTests.model_validate(dict.fromkeys(BatchTests.model_fields))
    along = float(np.square(found.gram.mean(axis=1)).sum()) / square**2
    whole = trace * (n - 1) / square + n
    pairs = n * (n - 1)
    biased = np.maximum(found.squares / n - np.square(found.mean), 0.0)
    unbiased = biased * (n / (n - 1))
    ratios = [np.square(found.mean) / (variance + _FLOOR) for variance in (biased, unbiased)]
    loss = float(found.losses.mean())
    return BatchTests(
        norm=finite((trace / square / n) ** 0.5),
        inner_product=finite((max(along - n, 0.0) / pairs) ** 0.5),
        orthogonality=finite((max(whole - along, 0.0) / pairs) ** 0.5),
        mean_signal_to_noise=finite(float(ratios[0].mean())),
        early_stopping=finite(1.0 - n * float(ratios[1].mean())),
        batch_size=_ratio(learning_rate * trace, loss) if learning_rate is not None and loss > 0 else None,
    )


def cosines(gram: Array) -> Array:
    """Cosines of every two gradients (n, n); NaN where one has no length."""
    lengths = np.sqrt(np.diagonal(gram))
    return np.asarray(np.clip(gram / lengths[:, None] / lengths, -1.0, 1.0))


def cosines_with_mean(found: ByExample) -> Array:
    """Cosines with ḡ (n,); NaN where either has no length."""
    lengths = np.sqrt(np.diagonal(found.gram)) * np.sqrt(_square(found.mean))
    return np.asarray(np.clip(found.gram.mean(axis=1) / lengths, -1.0, 1.0))


def conflicts(of_pairs: Array, first_row: int) -> Conflicts:
    """Of the cosines of every two examples, rows counted from `first_row`."""
    left, right = np.triu_indices(len(of_pairs), 1)
    found = of_pairs[left, right]
    known = np.isfinite(found)
    left, right, found = left[known], right[known], found[known]
    order = np.argsort(found, kind="stable")[:MOST_LISTED]
    return Conflicts(
        pairs=len(found),
        negative=int((found < 0).sum()),
        minimum_cosine=float(found.min()) if len(found) else None,
        most=[
            Pair(rows=[int(left[at]) + first_row, int(right[at]) + first_row], cosine=float(found[at]))
            for at in order
            if found[at] < 0
        ],
    )


def outliers(losses: Array, norms: Array, first_row: int) -> list[Outlier]:
    """Examples with a loss or a gradient that is far above the others, the furthest first, at most 20."""
    found = [*_outlying(losses, "loss", first_row), *_outlying(norms, "gradient_norm", first_row)]
    return sorted(found, key=lambda one: -one.score)[:MOST_LISTED]


def _outlying(values: Array, measure: Literal["loss", "gradient_norm"], first_row: int) -> list[Outlier]:
    scores = _robust_scores(values)
    return [
        Outlier(row=row + first_row, measure=measure, value=float(values[row]), score=float(scores[row]))
        for row in np.flatnonzero(scores > OUTLYING).tolist()
    ]


def _robust_scores(values: Array) -> Array:
    """How many robust standard deviations above the median each is; 0 where nothing deviates or is not finite.

    Where more than half are equal the median of the deviations is 0, and their mean takes its place.
    """
    usual = values[np.isfinite(values)]
    if not usual.size:
        return np.zeros(len(values))
    deviations = np.abs(usual - np.median(usual))
    spread = _NORMAL_MAD * float(np.median(deviations)) or _NORMAL_MEAN * float(deviations.mean())
    scores = (values - np.median(usual)) / spread if spread else np.zeros(len(values))
    return np.where(np.isfinite(scores), scores, 0.0)


def _square(vector: Array) -> float:
    return float(vector @ vector)


def _ratio(numerator: float, denominator: float) -> float | None:
    return finite(numerator / denominator) if denominator else None
