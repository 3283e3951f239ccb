"""A network that has learned nothing and is sure of it."""

from math import log
from typing import ClassVar, Literal

from core.diagnosis.changes import STANDARDIZED, USUAL_START
from core.diagnosis.course import Course
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Rule, compared
from core.diagnosis.verdict import Verdict
from core.training.statistics import Probe

MEASURE = "loss before training over that of the best constant prediction"


class InitialLossHigh(Rule):
    """L0 / chance > 4 for classes, > 10 for numbers.

    Where classes are rare, chance is small and an undecided network far above it: a loss of no more than 1.5 log k,
    log k being that of k equal shares, is only told.
    """

    code: Literal["initial_loss_high"] = "initial_loss_high"

    most_of_classes: float = 4.0
    most_of_numbers: float = 10.0
    undecided: float = 1.5
    is_structural: ClassVar[bool] = True

    source: ClassVar[str] = (
        'Karpathy 2019, "A recipe for training neural networks": verify the loss at init, init well.'
    )

    def judge(self, course: Course) -> Verdict | None:
        most = self.most_of_classes if course.classes else self.most_of_numbers
        share = course.share_of_chance(course.first_loss)
        if share is None or share <= most:
            return None
        return self.verdict(
            "information" if self._is_undecided(course) else "warning",
            f"Before training the loss is {share:.3g} times that of always predicting the same: let the output start"
            " near the mean of the targets (standardize them, or set the last bias to the shares of the classes), with"
            " small last weights.",
            evidence=(MEASURE, share, (None, most)),
            epochs=(0, 0),
            node=str(course.graph.losses[0].input),
        )

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        return compared(verdict, laboratory.compare(course, MEASURE, self._share, [USUAL_START, STANDARDIZED]))

    def _is_undecided(self, course: Course) -> bool:
        loss = course.graph.losses[0]
        width = course.graph.shape_of(str(loss.input))[-1:] or (1,)
        choices = max(2, width[0]) if loss.chooses_one else 2
        return course.classes and (course.first_loss or 0.0) <= self.undecided * log(choices)

    @staticmethod
    def _share(course: Course, probe: Probe) -> float | None:
        return course.share_of_chance(probe.loss)
