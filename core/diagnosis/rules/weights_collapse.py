"""A layer whose weights shrink to nothing."""

from typing import ClassVar, Literal

from core.diagnosis.course import Course
from core.diagnosis.rule import Rule, others
from core.diagnosis.verdict import Verdict


class WeightsCollapse(Rule):
    """The weights of a layer have fallen below 5 % of what they started with, and the loss is above half of chance."""

    code: Literal["weights_collapse"] = "weights_collapse"

    least: float = 0.05
    learned: float = 0.5

    source: ClassVar[str] = (
        "Goodfellow, Bengio & Courville 2016, section 7.1.1: weight decay shrinks what the loss does not hold up; the"
        " bound is ours."
    )

    def judge(self, course: Course) -> Verdict | None:
        share = course.share_of_chance(course.latest_loss)
        if not course.steps or share is None or share <= self.learned:
            return None
        first, (epoch, last) = course.steps[0][1], course.steps[-1]
        kept = {
            piece.node: last.weight_norms[index] / first.weight_norms[index]
            for index, piece in enumerate(course.graph.layout)
            if not piece.is_bias and piece.node in course.layers and first.weight_norms[index] > 0
        }
        gone = {node: value for node, value in kept.items() if value < self.least}
        if not gone:
            return None
        node = min(gone, key=lambda name: gone[name])
        return self.verdict(
            "warning",
            f"The weights of {node!r}{others(list(gone))} have shrunk to {gone[node]:.1%} of their start while"
            " little is learned: a penalty or weight decay may be stronger than the loss; try a tenth of it.",
            evidence=("|weights| over |weights| at the start", gone[node], (self.least, None)),
            epochs=(1, epoch),
            node=node,
        )
