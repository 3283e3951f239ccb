"""Steps so small that the weights hardly move while there is much to learn."""

from typing import ClassVar, Literal

from core.diagnosis.course import Course
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Rule, compared
from core.diagnosis.verdict import Verdict

MEASURE = "median of |update| / |weights|"


class UpdateTooSmall(Rule):
    """The median of u over the weights and steps of a run is below 3e-5, and its loss above 20 % of chance."""

    code: Literal["update_too_small"] = "update_too_small"

    least: float = 3e-5
    usual: float = 1e-3
    learned: float = 0.2
    fewest_steps: int = 5

    source: ClassVar[str] = 'Karpathy, CS231n notes, "Ratio of weights:updates": about 1e-3; You et al. 2017 (LARS).'

    def judge(self, course: Course) -> Verdict | None:
        share = course.share_of_chance(course.latest_loss)
        if len(course.steps) < self.fewest_steps or share is None or share <= self.learned:
            return None
        value = course.updates.median()
        # No rate moves weights that no gradient reaches.
        if not 0.0 < value < self.least:
            return None
        return self.verdict(
            "warning",
            f"An update moves the weights by {value:.1e} of their size, and the loss is still {share:.0%} of chance: a"
            f" learning rate about {self.usual / value:.2g} times as large would move them by {self.usual:g}.",
            evidence=(MEASURE, value, (self.least, 0.2)),
            epochs=(1, course.last),
        )

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        value, rate = verdict.evidence.value, laboratory.spec.optimizer.learning_rate
        return compared(verdict, laboratory.train([rate, rate * self.usual / value])) if value else verdict
