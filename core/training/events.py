"""What a run says while it runs."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from core.training.statistics import EpochStatistics

RangeEnd = Literal["last_step", "loss_exploded", "loss_not_finite"]
"""Why a range test is over; all of them are its normal end."""

EndReason = Literal["max_epochs", "early_stopping", "diverged", "interrupted"] | RangeEnd


class EpochEnded(NamedTuple):
    """One pass over the training split is done; epochs count from 1, steps over the whole run.

    A range test says the same of each of its points, which are single updates.
    """

    epoch: int
    step: int
    learning_rate: float
    training: Mapping[str, float]
    """`loss` is the example-weighted mean of the steps while the weights moved; penalties stand apart.

    A range test adds `smoothed_loss`.
    """

    validation: Mapping[str, float]
    """Measured after the epoch, in evaluation mode; empty without a validation split."""

    gradient_norm: float
    """Mean over the steps of the L2 norm of the objective's gradient, before clipping."""

    seconds: float
    examples_per_second: float
    best_epoch: int
    is_best: bool
    patience_left: int | None
    statistics: EpochStatistics | None = None
    """What was noticed of the layers; None in a run that does not look, and in a range test."""


class Ended(NamedTuple):
    """The run is over; `epoch` is the last whole one, `step` the last of it or the one that diverged."""

    reason: EndReason
    epoch: int
    step: int
    best_epoch: int | None
    node: str | None = None
    """First node that overflowed, if the run diverged."""

    detail: str = ""

    statistics: EpochStatistics | None = None
    """What was noticed in the epoch that diverged, up to there."""
