"""The signal that is propagated back dies away before it reaches the first layers."""

from typing import ClassVar, Literal

from core.diagnosis.changes import NORMALIZED, RECTIFIED, USUAL_START
from core.diagnosis.course import Course
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Rule, compared
from core.diagnosis.verdict import Verdict
from core.training.statistics import Probe

MEASURE = "q: rms(dL/dz) of the first layer over that of the last"


class Vanishing(Rule):
    """q < 1e-3 over at least 3 layers while most is still to be learned.

    q compares two layers at one time: where all layers shrink together, as they do when a run converges, it stays.
    A signal of exactly 0 before training is that of a last layer that starts at zero, and passes with the first step.
    """

    code: Literal["vanishing"] = "vanishing"

    fewest_layers: int = 3
    least: float = 1e-3
    is_structural: ClassVar[bool] = True

    source: ClassVar[str] = (
        "Glorot & Bengio 2010, section 4.2 and figure 7: back-propagated gradients by layer; Hochreiter 1991. Gradients"
        " of weights are not compared, since they depend on the activations that feed them as well."
    )

    def judge(self, course: Course) -> Verdict | None:
        if len(course.path) < self.fewest_layers:
            return None
        held = [probe for probe in course.probes if self._holds(course, probe)]
        if not held or not (held[-1] is course.probes[-1] or self._lasted(course, held)):
            return None
        value = course.quotient(held[-1]) or 0.0
        return self.verdict(
            "warning" if course.rescales else "critical",
            f"The signal shrinks on its way back through {len(course.path)} layers, so {course.path[0]!r} hardly"
            " learns: use rectifiers with He initialization, a normalization layer, or shortcuts around some layers.",
            evidence=(MEASURE, value, (self.least, None)),
            epochs=(held[0].epoch, course.last if held[-1] is course.probes[-1] else held[-1].epoch),
            node=course.path[0],
        )

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        changes = [USUAL_START, RECTIFIED, NORMALIZED]
        return compared(verdict, laboratory.compare(course, MEASURE, Course.quotient, changes))

    @staticmethod
    def _lasted(course: Course, held: list[Probe]) -> bool:
        """Whether what has passed took half of the looks, and nothing has come of it since."""
        return 2 * len(held) >= len(course.probes) and not course.has_learned(course.latest_loss)

    def _holds(self, course: Course, probe: Probe) -> bool:
        quotient = course.quotient(probe)
        if quotient is None or quotient >= self.least or course.has_learned(probe.loss):
            return False
        if quotient == 0.0 and any(look.dead == 1.0 for look in probe.nodes):
            # A layer that is above zero for no row stops everything, at whatever depth.
            return False
        return quotient > 0.0 or probe.epoch > 0
