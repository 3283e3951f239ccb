from itertools import product

import pytest

from service.jobs.states import HELD, NEXT, TERMINAL, ImpossibleTransition, JobState, check_transition

ALLOWED = {
    "queued → running",
    "queued → pausing",
    "queued → cancelling",
    "running → succeeded",
    "running → failed",
    "running → pausing",
    "running → cancelling",
    "running → queued",
    "pausing → paused",
    "pausing → cancelling",
    "pausing → succeeded",
    "pausing → failed",
    "paused → queued",
    "paused → cancelling",
    "cancelling → cancelled",
}


@pytest.mark.parametrize(("before", "after"), list(product(JobState, JobState)), ids=str)
def test_exactly_the_written_transitions_are_possible(before: JobState, after: JobState) -> None:
    if f"{before} → {after}" in ALLOWED:
        check_transition(before, after)
    else:
        with pytest.raises(ImpossibleTransition):
            check_transition(before, after)


def test_nothing_follows_a_terminal_state() -> None:
    assert {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED} == TERMINAL
    assert not any(NEXT[state] for state in TERMINAL)


def test_a_terminal_state_can_be_reached_from_every_other() -> None:
    for start in set(JobState) - TERMINAL:
        reached, pending = {start}, [start]
        while pending:
            new = NEXT[pending.pop()] - reached
            reached |= new
            pending.extend(new)
        assert reached & TERMINAL


def test_a_runner_holds_no_job_that_waits_or_is_over() -> None:
    assert HELD.isdisjoint(TERMINAL | {JobState.QUEUED, JobState.PAUSED})
