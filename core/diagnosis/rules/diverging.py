"""The loss rises instead of falling."""

from typing import ClassVar, Literal

from core.diagnosis.course import Course
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Rule, compared
from core.diagnosis.verdict import Verdict


class Diverging(Rule):
    """The training loss is twice the lowest so far and above both chance and where it began; critical at four times.

    A run whose numbers overflowed has diverged as well, as far as anything shows it.
    """

    code: Literal["diverging"] = "diverging"

    most: float = 2.0
    critical: float = 4.0

    source: ClassVar[str] = (
        'Smith 2017, "Cyclical learning rates", section 3.3, and its implementations: a range test stops at four times'
        " the lowest loss; LeCun et al. 1998, section 5."
    )

    def judge(self, course: Course) -> Verdict | None:
        losses = [
            loss for loss in (course.first_loss, *(point.training for point in course.points)) if loss is not None
        ]
        if len(losses) < 2:
            return None
        lowest, latest = min(losses), losses[-1]
        if not (lowest > 0 and latest > self.most * lowest and latest > (course.chance or 0.0) and latest > losses[0]):
            return None
        factor = latest / lowest
        rising = self._rising(course)
        return self.verdict(
            "critical" if factor > self.critical else "warning",
            f"The training loss is {factor:.2g} times its lowest and worse than where it began: the learning rate"
            " looks too large; try a tenth of it, or a warm-up.",
            evidence=("training loss over its lowest so far", factor, (1.0, self.most)),
            epochs=(rising, course.last),
        )

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        rate = laboratory.spec.optimizer.learning_rate
        return compared(verdict, laboratory.train([rate, rate / 10.0]))

    @staticmethod
    def _rising(course: Course) -> int:
        """The first epoch after that of the lowest loss."""
        known = [point for point in course.points if point.training is not None]
        lowest = min(known, key=lambda point: point.training or 0.0)
        started_lower = course.first_loss is not None and course.first_loss < (lowest.training or 0.0)
        return 1 if started_lower else min(lowest.epoch + 1, course.last)
