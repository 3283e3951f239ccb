"""What is learned of the training rows holds less for others."""

from typing import ClassVar, Literal

from core.diagnosis.course import Course
from core.diagnosis.rule import Rule
from core.diagnosis.verdict import Verdict


class GeneralisationGap(Rule):
    """Validation loss minus training loss is above 20 % of chance, and validation at least half as high again.

    Beyond half of chance it is a warning.
    """

    code: Literal["generalisation_gap"] = "generalisation_gap"

    most: float = 0.2
    much: float = 0.5
    factor: float = 1.5

    source: ClassVar[str] = "Goodfellow, Bengio & Courville 2016, section 5.2: the gap between training and test error."

    def judge(self, course: Course) -> Verdict | None:
        latest = course.points[-1] if course.points else None
        if latest is None or latest.training is None or latest.validation is None:
            return None
        gap = course.share_of_chance(latest.validation - latest.training)
        if gap is None or gap <= self.most or latest.validation < self.factor * latest.training:
            return None
        return self.verdict(
            "warning" if gap > self.much else "information",
            f"The validation loss is {latest.validation:.3g}, that of training {latest.training:.3g}: more rows, a"
            " penalty, dropout or a smaller network would bring them closer, unless the two splits differ in kind.",
            evidence=("validation loss minus training loss, over chance", gap, (None, self.most)),
            epochs=(course.last, course.last),
        )
