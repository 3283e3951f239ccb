"""Nothing more is learned, and the signal has faded in all layers alike."""

from typing import ClassVar, Literal

from core.diagnosis.course import Course, looks
from core.diagnosis.rule import Rule
from core.diagnosis.verdict import Verdict


class Converged(Rule):
    """The training loss has fallen by less than 1 % in the last 5 epochs, and is clearly below chance.

    That the back-propagated signal is small as well, in all layers together, is what a minimum is: no vanishing.
    """

    code: Literal["converged"] = "converged"

    least: float = 0.01
    window: int = 5
    learned: float = 0.9

    source: ClassVar[str] = (
        "Bottou, Curtis & Nocedal 2018, section 4: at a minimum the gradient fades; the window and the bound are ours."
    )

    def judge(self, course: Course) -> Verdict | None:
        losses = [point.training for point in course.points]
        share = course.share_of_chance(course.latest_loss)
        if len(losses) <= self.window or share is None or share > self.learned or not self._fell(course):
            return None
        before, latest = losses[-1 - self.window], losses[-1]
        if before is None or latest is None or before <= 0 or not -self.least < 1.0 - latest / before < self.least:
            return None
        return self.verdict(
            "information",
            f"The training loss has not changed by more than {self.least:.0%} in {self.window}"
            f" epochs{self._faded(course)}: the run may be over; a smaller learning rate might still gain a little.",
            evidence=("fall of the training loss in 5 epochs", 1.0 - latest / before, (-self.least, self.least)),
            epochs=(course.last - self.window, course.last),
        )

    def _fell(self, course: Course) -> bool:
        """Whether anything was learned at all."""
        first, latest = course.first_loss, course.latest_loss
        return first is None or latest is None or latest < self.learned * first

    @staticmethod
    def _faded(course: Course) -> str:
        """How much the signal of the layers has shrunk together, if it has."""
        if course.start is None or not course.path:
            return ""
        first, last = looks(course.start), looks(course.probes[-1])
        slopes = [(first[name].slope_rms, last[name].slope_rms) for name in course.path]
        shrunk = [then / before for before, then in slopes if before and then is not None]
        return (
            f" and the signal of all layers is below {max(shrunk):.0%} of its start"
            if shrunk and max(shrunk) < 0.9
            else ""
        )
