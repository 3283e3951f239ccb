"""Rectifiers that are above zero for no row: no gradient reaches their weights any more."""

from typing import ClassVar, Literal

from core.diagnosis.changes import STANDARDIZED, USUAL_START
from core.diagnosis.course import Course, looks
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Rule, compared, others, stretch
from core.diagnosis.verdict import Verdict
from core.training.statistics import Probe

MEASURE = "share of units above 0 for no row, of the layer where it is largest"


class DeadUnits(Rule):
    """More than 50 % of the units of a rectifying layer are above 0 for no row of the probe; critical above 90 %.

    In a run that has learned most there is to learn it is only told: it has more units than it needs.
    """

    code: Literal["dead_units"] = "dead_units"

    most: float = 0.5
    critical: float = 0.9
    is_structural: ClassVar[bool] = True

    source: ClassVar[str] = 'Maas, Hannun & Ng 2013, section 2; Lu et al. 2020, "Dying ReLU and initialization".'

    def judge(self, course: Course) -> Verdict | None:
        epochs = stretch(course, lambda probe: bool(self._dead(probe)))
        if epochs is None:
            return None
        dead = self._dead(course.probes[-1])
        node = max(dead, key=lambda name: dead[name])
        learned = course.has_learned(course.latest_loss)
        return self.verdict(
            "information" if learned else "critical" if dead[node] > self.critical else "warning",
            f"{dead[node]:.0%} of {node!r}{others(list(dead))} answers 0 to every row and can no longer learn: lower"
            " the learning rate, start biases at 0 and weights by He, or use leaky_relu.",
            evidence=(MEASURE, dead[node], (0.0, self.most)),
            epochs=epochs,
            node=node,
        )

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        if verdict.epochs[0] > 0:
            # Alive before training: it is the updates that have killed them.
            rate = laboratory.spec.optimizer.learning_rate
            return compared(verdict, laboratory.train([rate, rate / 10.0]))
        return compared(verdict, laboratory.compare(course, MEASURE, self._largest, [USUAL_START, STANDARDIZED]))

    def _dead(self, probe: Probe) -> dict[str, float]:
        return {
            name: look.dead for name, look in looks(probe).items() if look.dead is not None and look.dead > self.most
        }

    @staticmethod
    def _largest(course: Course, probe: Probe) -> float | None:
        return max((look.dead for look in probe.nodes if look.dead is not None), default=None)
