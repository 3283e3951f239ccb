"""Whether the diagnosis finds what is wrong: runs with planted faults, and healthy ones that must not be accused.

    make bench-diagnosis      trains 670 small runs and prints, by fault, how many got the right code

It ends with status 1 unless 95 % of the faulty runs get the right code, and at most 1 % of the healthy ones one that
blames their structure. The rules were tuned on seeds from 5,000 on; those that are reported begin at 0.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from core.diagnosis.chance import chance_of, tells_classes
from core.diagnosis.course import Course, Failure, Point
from core.diagnosis.judge import judge
from core.diagnosis.record import Record
from core.diagnosis.rules import RULES
from core.training.events import Ended, EpochEnded
from core.training.run import Run
from tests.bench.faulty_runs import RIGHT, Case, a_case

HEALTHY_RUNS, RUNS_OF_A_FAULT = 400, 30
LEAST_FOUND, MOST_ACCUSED = 0.95, 0.01
STRUCTURAL = frozenset(code for code, rule in RULES.items() if rule.is_structural)


@dataclass(frozen=True)
class Outcome:
    """The runs of one fault."""

    fault: str | None
    runs: int
    right: int
    codes: Counter[str]
    """How many runs got each code as a warning or worse."""


def diagnose(case: Case) -> set[str]:
    """The codes that a run gets as a warning or worse, at its end."""
    return {verdict.code for verdict in judge(course_of(case)) if verdict.severity != "information"}


def course_of(case: Case) -> Course:
    """Train a case to its end."""
    run = Run(case.graph, case.spec, case.training, case.validation)
    rescales = case.spec.optimizer.rescales
    record = Record(case.graph, tells_classes(case.graph), rescales, chance_of(case.graph, case.training))
    record.add(None, run.first_look())
    failure = None
    for event in run.events():
        match event:
            case EpochEnded():
                losses = event.training["loss"], event.validation.get("loss")
                record.add(Point(event.epoch, event.learning_rate, *losses), event.statistics)
            case Ended() if event.reason == "diverged":
                record.add(None, event.statistics)
                failure = Failure(event.node, event.step, event.epoch)
    return record.course(failure)


def outcome(fault: str | None, seeds: Sequence[int]) -> Outcome:
    """Of a fault the runs that got the right code, of the healthy those whose structure nobody blamed."""
    found = [diagnose(a_case(fault, seed)) for seed in seeds]
    right = [not codes & STRUCTURAL if fault is None else bool(codes & RIGHT[fault]) for codes in found]
    return Outcome(fault, len(seeds), sum(right), Counter(code for codes in found for code in codes))


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as Markdown."""
    lines = ["| planted fault | right code | runs | found |", "|---|---|---|---|"]
    for one in outcomes:
        if one.fault is not None:
            codes = ", ".join(f"`{code}`" for code in sorted(RIGHT[one.fault]))
            lines.append(f"| {one.fault} | {codes} | {one.runs} | {one.right} ({one.right / one.runs:.0%}) |")
    return "\n".join(lines)


def main() -> int:
    """Print the table; the exit status is 0 if the diagnosis is as right as it has to be."""
    began = time.perf_counter()
    faulty = [outcome(fault, range(RUNS_OF_A_FAULT)) for fault in RIGHT]
    healthy = outcome(None, range(HEALTHY_RUNS))
    runs, found = sum(one.runs for one in faulty), sum(one.right for one in faulty)
    accused = healthy.runs - healthy.right
    print(table(faulty))
    print(f"\nAll faults: {found} of {runs} got the right code ({found / runs:.1%}; at least {LEAST_FOUND:.0%}).")
    print(
        f"Healthy: {accused} of {healthy.runs} runs got a structural code ({accused / healthy.runs:.1%}; "
        f"at most {MOST_ACCUSED:.0%}); others: {dict(healthy.codes) or 'none'}."
    )
    print(f"{runs + healthy.runs} runs in {time.perf_counter() - began:.0f} s.")
    return 0 if found >= LEAST_FOUND * runs and accused <= MOST_ACCUSED * healthy.runs else 1


if __name__ == "__main__":
    sys.exit(main())
