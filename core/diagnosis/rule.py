"""What a rule is: a condition on the course of a run, with thresholds, advice, and what would have been instead."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from math import isfinite
from typing import ClassVar

from core.arrays import Model
from core.diagnosis.course import Course
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.verdict import Evidence, Severity, Verdict
from core.training.statistics import Probe

Bounds = tuple[float | None, float | None]


class Rule(Model):
    """A rule of one code; its fields are its thresholds."""

    code: str

    is_structural: ClassVar[bool] = False
    """Whether it blames the network and its start, rather than the rate, the data or the length of the run."""

    source: ClassVar[str]
    """Where the condition and its numbers come from."""

    @abstractmethod
    def judge(self, course: Course) -> Verdict | None:
        """What the rule says of a run so far; None where it does not fire. Cheap: it is asked in every epoch."""

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        """The verdict with its counterfactual, if it has one. It is asked once for a verdict that has just appeared."""
        return verdict

    def verdict(
        self,
        severity: Severity,
        advice: str,
        *,
        evidence: tuple[str, float, Bounds],
        epochs: tuple[int, int],
        node: str | None = None,
    ) -> Verdict:
        """A verdict of this rule."""
        measure, value, healthy = evidence
        found = Evidence(measure=measure, value=float(value) if isfinite(value) else None, healthy=healthy)
        return Verdict(code=self.code, severity=severity, node=node, epochs=epochs, evidence=found, advice=advice)


def stretch(course: Course, holds: Callable[[Probe], bool]) -> tuple[int, int] | None:
    """The epochs of the last looks in a row at which something held; None if it does not hold at the last look."""
    epochs: list[int] = []
    for probe in course.probes:
        epochs = [*epochs, probe.epoch] if holds(probe) else []
    return (epochs[0], max(epochs[-1], course.last)) if epochs else None


def others(nodes: Sequence[str]) -> str:
    """How the nodes beside the one that is named are told of."""
    more = len(nodes) - 1
    return "" if more < 1 else f" (and {more} more node{'s' if more > 1 else ''})"


def compared(verdict: Verdict, counterfactual: dict[str, object] | None) -> Verdict:
    """The verdict with what would have been."""
    return verdict.model_copy(update={"counterfactual": counterfactual})
