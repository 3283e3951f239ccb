"""Units of a layer that start alike, get the same gradient, and stay one unit for ever."""

from typing import ClassVar, Literal

from core.diagnosis.changes import USUAL_START
from core.diagnosis.course import Course, looks
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Rule, compared, others
from core.diagnosis.verdict import Verdict
from core.training.statistics import Probe

MEASURE = "share of pairs of units with the same values, of the layer where it is largest"


class Symmetric(Rule):
    """More than half the pairs of units of a hidden layer are identical at the start, and training has not parted them.

    A last layer that starts at zero is left out: its units have targets of their own. So is a layer that the first
    epoch has told apart, as behind a branch that starts at zero.
    """

    code: Literal["symmetric"] = "symmetric"

    most: float = 0.5
    is_structural: ClassVar[bool] = True

    source: ClassVar[str] = "Goodfellow, Bengio & Courville 2016, section 8.4: initial parameters must break symmetry."

    def judge(self, course: Course) -> Verdict | None:
        if course.start is None:
            return None
        alike = self._alike(course, course.start)
        for probe in course.probes[1:]:
            alike = {name: share for name, share in self._alike(course, probe).items() if name in alike}
        if not alike:
            return None
        node = max(alike, key=lambda name: alike[name])
        return self.verdict(
            "critical",
            f"{alike[node]:.0%} of the pairs of units of {node!r}{others(list(alike))} are the same, and equal"
            " gradients keep them so: draw the weights at random (He or Glorot) instead of starting them equal.",
            evidence=(MEASURE, alike[node], (0.0, self.most)),
            epochs=(0, course.last),
            node=node,
        )

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        return compared(verdict, laboratory.compare(course, MEASURE, self._largest, [USUAL_START]))

    def _alike(self, course: Course, probe: Probe) -> dict[str, float]:
        return {name: share for name, share in _shares(course, probe).items() if share > self.most}

    @staticmethod
    def _largest(course: Course, probe: Probe) -> float | None:
        return max(_shares(course, probe).values(), default=None)


def _shares(course: Course, probe: Probe) -> dict[str, float]:
    """Of the layers that are fed anything: behind units that are all dead, all are alike."""
    seen = looks(probe)
    dead = {name for name, look in seen.items() if look.dead == 1.0}
    shares = {
        name: look.identical
        for name, look in seen.items()
        if name in course.hidden and not dead.intersection(course.graph.node[name].inputs)
    }
    return {name: share for name, share in shares.items() if share is not None}
