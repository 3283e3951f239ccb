"""No better than always predicting the same."""

from typing import ClassVar, Literal

from core.diagnosis.course import Course
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Rule, compared
from core.diagnosis.verdict import Verdict


class NotLearningYet(Rule):
    """After 5 epochs no loss, of training or validation, is below 98 % of chance; a warning after 20 epochs."""

    code: Literal["not_learning_yet"] = "not_learning_yet"

    most: float = 0.98
    patience: int = 5
    long: int = 20

    source: ClassVar[str] = (
        'Karpathy 2019, "A recipe for training neural networks": an input-independent baseline is to be beaten; the'
        " bounds are ours."
    )

    def judge(self, course: Course) -> Verdict | None:
        if len(course.points) < self.patience:
            return None
        losses = [loss for point in course.points for loss in (point.training, point.validation) if loss is not None]
        share = course.share_of_chance(min(losses, default=None))
        if share is None or share < self.most:
            return None
        return self.verdict(
            "warning" if len(course.points) >= self.long else "information",
            f"After {course.last} epochs the loss is {share:.0%} of that of always predicting the same: it may need"
            " longer or another learning rate, or the features may not tell the target; try to overfit ten rows first.",
            evidence=("lowest loss over that of the best constant prediction", share, (0.0, self.most)),
            epochs=(1, course.last),
        )

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        rate = laboratory.spec.optimizer.learning_rate
        return compared(verdict, laboratory.train([rate, 10.0 * rate, rate / 10.0]))
