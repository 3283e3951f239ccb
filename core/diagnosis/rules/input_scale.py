"""Pre-activations that are far too large before anything has been learned."""

from typing import ClassVar, Literal

from core.diagnosis.changes import STANDARDIZED, USUAL_START
from core.diagnosis.course import Course, looks
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Rule, compared, others
from core.diagnosis.verdict import Verdict
from core.training.statistics import Probe

MEASURE = "std of the pre-activations before training, of the first layer where it is too large"


class InputScale(Rule):
    """The std of a layer's pre-activations before training is above 5; critical above 50."""

    code: Literal["input_scale"] = "input_scale"

    most: float = 5.0
    critical: float = 50.0
    is_structural: ClassVar[bool] = True

    source: ClassVar[str] = (
        "LeCun et al. 1998, section 4.3: inputs of mean 0 and covariance 1; He et al. 2015, section 2.2: weights"
        " that keep their scale."
    )

    def judge(self, course: Course) -> Verdict | None:
        wide = {} if course.start is None else self._wide(course, course.start)
        if not wide:
            return None
        node = next(iter(wide))
        return self.verdict(
            "critical" if max(wide.values()) > self.critical else "warning",
            f"The pre-activations of {node!r}{others(list(wide))} start with a deviation of {wide[node]:.3g} instead"
            " of about 1: standardize the features (`preparation: auto`), or start from smaller weights.",
            evidence=(MEASURE, wide[node], (None, self.most)),
            epochs=(0, 0),
            node=node,
        )

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        def std(changed: Course, probe: Probe) -> float | None:
            return next((look.std for look in probe.nodes if look.node == verdict.node), None)

        what = f"std of the pre-activations of {verdict.node} before training"
        return compared(verdict, laboratory.compare(course, what, std, [STANDARDIZED, USUAL_START]))

    def _wide(self, course: Course, probe: Probe) -> dict[str, float]:
        seen = looks(probe)
        return {name: seen[name].std for name in course.layers if seen[name].std > self.most}
