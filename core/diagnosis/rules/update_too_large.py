"""Steps so large that they throw away what the weights held."""

from typing import ClassVar, Literal

from core.diagnosis.course import Course
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Bounds, Rule, compared
from core.diagnosis.verdict import Verdict

MEDIAN = "median of |update| / |weights| after the first epoch"
LARGEST = "largest |update| / |weights|"


class UpdateTooLarge(Rule):
    """The median of u after the first epoch is above 0.2, or an update was larger than its weights.

    It is a rate beyond 2 / curvature, or a step by a rare gradient; neither is a signal that explodes with depth.
    """

    code: Literal["update_too_large"] = "update_too_large"

    most: float = 0.2
    most_ever: float = 1.0
    usual: float = 1e-3

    source: ClassVar[str] = (
        'Karpathy, CS231n notes, "Ratio of weights:updates": about 1e-3; LeCun et al. 1998, section 5: beyond 2 / λmax'
        " gradient descent diverges."
    )

    def judge(self, course: Course) -> Verdict | None:
        wild = course.updates.beyond(self.most_ever)
        if wild is not None:
            value, node = course.updates.largest()
            return self._say(course, node, (LARGEST, value, (3e-5, self.most_ever)), wild)
        usual = course.updates.median(since=2)
        if not usual > self.most:
            return None
        _, node = course.updates.largest(since=2)
        return self._say(course, node, (MEDIAN, usual, (3e-5, self.most)), (2, course.last))

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        rate = laboratory.spec.optimizer.learning_rate
        usual = course.updates.median()
        rates = [rate, rate / 10.0]
        if 10.0 * self.usual < usual < 1e6:
            rates.append(rate * self.usual / usual)
        return compared(verdict, laboratory.train(rates))

    def _say(self, course: Course, node: str, evidence: tuple[str, float, Bounds], epochs: tuple[int, int]) -> Verdict:
        validated = course.points[-1].validation if course.points else None
        learned = course.has_learned(course.latest_loss) and (validated is None or course.has_learned(validated))
        return self.verdict(
            "information" if learned else "warning",
            f"An update moves the weights, those of {node!r} most, by {evidence[1]:.2g} times their size: a tenth of"
            " the learning rate, a warm-up or clipping would keep what they have learned.",
            evidence=evidence,
            epochs=epochs,
            node=node,
        )
