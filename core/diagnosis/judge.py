"""All that the rules say of a run, the worst first."""

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
