"""The signal that is propagated back grows from layer to layer."""

from typing import ClassVar, Literal

from core.diagnosis.changes import NORMALIZED, USUAL_START
from core.diagnosis.course import Course
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Rule, compared
from core.diagnosis.verdict import Verdict
from core.training.statistics import Probe

MEASURE = "q^(1/(L−1)): growth of rms(dL/dz) from one layer to the one before"


class Exploding(Rule):
    """q^(1/(L−1)) > 2 over L >= 3 layers before training, or later while no update has been as large as its weights.

    Large updates make large weights, and these a growing signal: then the rate is to blame and not the depth.
    """

    code: Literal["exploding"] = "exploding"

    fewest_layers: int = 3
    most: float = 2.0
    largest_update: float = 1.0
    is_structural: ClassVar[bool] = True

    source: ClassVar[str] = (
        "Pascanu, Mikolov & Bengio 2013, section 2; Glorot & Bengio 2010, section 4.2. A factor of 1 keeps the signal."
        " Gradients of weights are large in all layers at once and do not show it."
    )

    def judge(self, course: Course) -> Verdict | None:
        if len(course.path) < self.fewest_layers:
            return None
        wild = course.updates.beyond(self.largest_update)
        probes = [probe for probe in course.probes if wild is None or probe.epoch == 0 or probe.epoch < wild[0]]
        grown = [probe for probe in probes if self._holds(course, probe)]
        if not grown:
            return None
        has_passed = grown[0].epoch > 0 and grown[-1] is not course.probes[-1]
        if has_passed and course.has_learned(course.latest_loss):
            return None
        value = self.growth(course, grown[0]) or 0.0
        return self.verdict(
            "warning" if course.has_learned(course.latest_loss) else "critical",
            f"The signal grows {value:.3g}-fold with each layer on its way back, so small steps are far too large for"
            f" {course.path[0]!r}: start from smaller weights (He or Glorot), normalize, or clip the gradient.",
            evidence=(MEASURE, value, (None, self.most)),
            epochs=(grown[0].epoch, grown[-1].epoch),
            node=course.path[0],
        )

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        return compared(verdict, laboratory.compare(course, MEASURE, self.growth, [USUAL_START, NORMALIZED]))

    def _holds(self, course: Course, probe: Probe) -> bool:
        """Of a loss that has been learned the last layer hears next to nothing, and the quotient tells little."""
        growth = self.growth(course, probe)
        return growth is not None and growth > self.most and not course.has_learned(probe.loss)

    @staticmethod
    def growth(course: Course, probe: Probe) -> float | None:
        """The factor of one layer."""
        quotient = course.quotient(probe)
        return None if not quotient else float(quotient ** (1.0 / (len(course.path) - 1)))
