"""All that the rules say of a run, the worst first."""

from collections.abc import Iterable

from core.diagnosis.course import Course
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rules import RULES
from core.diagnosis.verdict import Verdict

_ORDER = {"critical": 0, "warning": 1, "information": 2}


def judge(course: Course) -> list[Verdict]:
    """The verdicts of every rule that fires, without counterfactuals; at most one of a rule."""
    found = [verdict for rule in RULES.values() if (verdict := rule.judge(course)) is not None]
    return sorted(found, key=lambda verdict: _ORDER[verdict.severity])


def complete(course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
    """The verdict with what would have been instead."""
    return RULES[verdict.code].complete(course, verdict, laboratory)


def taken_over(verdict: Verdict, before: Iterable[Verdict]) -> Verdict:
    """The verdict with what was computed for one of the same code before, if there was one."""
    for earlier in before:
        if earlier.code == verdict.code:
            verdict = verdict.model_copy(update={"counterfactual": earlier.counterfactual})
            if earlier.evidence.operands is not None:
                verdict = verdict.model_copy(update={"evidence": earlier.evidence, "node": earlier.node})
    return verdict
