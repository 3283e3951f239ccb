"""The attributions of one method as they stand in an answer."""

from core.arrays import Array, Model
from core.inspection.paths import PathRule, Summed
from core.inspection.tensors import Shown, nested

Numbers = list[float | None]


class Completeness(Model):
    """Whether the attributions add up to what they explain; one number for each example."""

    sum: Numbers
    difference: Numbers
    """f(x) − f(baseline), or minus the mean of f over the baselines."""

    gap: Numbers
    """sum − difference: 0 in exact arithmetic."""


class Attribution(Model):
    """The answer of one method, by input (or by the node at which the output is explained)."""

    attributions: dict[str, Shown]
    by_column: dict[str, Numbers] | None = None
    """Of a model whose features are columns: the sum over the numbers that a column was turned into."""

    completeness: Completeness | None = None
    """For the methods that promise it."""

    baseline: str | None = None
    """What the example is compared with; null where with nothing."""

    gradient: dict[str, Shown] | None = None
    """For `saliency`: the gradient with its signs."""

    mean_square: dict[str, Shown] | None = None
    """For `smoothgrad`: the mean of the squared gradients."""

    rule: PathRule | None = None
    steps: int | None = None
    """Along each path."""

    converged: bool | None = None
    """For paths: whether every gap is at most 1 % of its difference (or 1e-6); true where `steps` were given."""

    samples: int | None = None
    """Points, baselines or parts that were tried."""


def completeness_of(summed: Summed) -> Completeness:
    return Completeness(
        sum=numbers(summed.gap + summed.difference),
        difference=numbers(summed.difference),
        gap=numbers(summed.gap),
    )


def numbers(array: Array) -> Numbers:
    shown = nested(array)
    assert isinstance(shown, list)
    return shown
