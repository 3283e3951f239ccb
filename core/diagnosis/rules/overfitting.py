"""Validation gets worse while training gets better."""

from statistics import mean
from typing import ClassVar, Literal

from core.diagnosis.course import Course, Point
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Rule, compared
from core.diagnosis.verdict import Verdict


class Overfitting(Rule):
    """The validation loss, as the mean of 3 epochs, is 10 % above its lowest, while training has gone on falling.

    By more than a quarter it is a warning, below that information: a little is usual.
    """

    code: Literal["overfitting"] = "overfitting"

    most: float = 0.10
    much: float = 0.25
    smoothed: int = 3

    source: ClassVar[str] = (
        'Prechelt 1998, "Early stopping - but when?", section 2.2: the generalization loss GL, from 5 %.'
    )

    def judge(self, course: Course) -> Verdict | None:
        seen = [point for point in course.points if point.validation is not None and point.training is not None]
        if len(seen) < self.smoothed + 1:
            return None
        best = min(seen, key=_validation)
        latest = seen[-self.smoothed :]
        if best in latest or _validation(best) <= 0:
            return None
        rise = mean(map(_validation, latest)) / _validation(best) - 1.0
        if rise <= self.most or mean(point.training or 0.0 for point in latest) >= (best.training or 0.0):
            return None
        return self.verdict(
            "warning" if rise > self.much else "information",
            f"The validation loss was lowest after epoch {best.epoch} and is {rise:.0%} above that now, while"
            " training goes on falling: stop there (`early_stopping`), or use more rows, a penalty, dropout or a"
            " smaller network.",
            evidence=("validation loss over its lowest, minus 1", rise, (0.0, self.most)),
            epochs=(best.epoch + 1, course.last),
        )

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        seen = [point for point in course.points if point.validation is not None]
        best = min(seen, key=_validation)
        stopped = {"measure": "validation loss, had the run stopped at its best epoch", "epoch": best.epoch}
        return compared(verdict, stopped | {"before": seen[-1].validation, "after": best.validation})


def _validation(point: Point) -> float:
    return point.validation or 0.0
