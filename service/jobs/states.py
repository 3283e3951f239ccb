"""The states of a job, and every way from one to another."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from core.training.events import RangeEnd


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ExperimentKind = Literal["training", "learning_rate_range"]
"""What is done with an experiment: train a model, or measure which learning rate suits one."""

JobKind = Literal["training", "learning_rate_range", "inspect", "replay"]
"""What a job does: something with an experiment, answer a question about a network or a model, or train a job's model
once more to compare."""

StopReason = (
    Literal[
        "max_epochs",
        "early_stopping",
        "diverged",
        "time_limit",
        "memory_limit",
        "cancelled_by_user",
        "worker_lost",
        "error",
        "answered",
        "replayed",
    ]
    | RangeEnd
)
"""Why a job is over."""

NEXT: Mapping[JobState, frozenset[JobState]] = {
    # A job that nobody runs is paused or cancelled at once, by way of the state that asks for it.
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.PAUSING, JobState.CANCELLING}),
    JobState.RUNNING: frozenset(
        {JobState.SUCCEEDED, JobState.FAILED, JobState.PAUSING, JobState.CANCELLING, JobState.QUEUED}
    ),
    # A run may come to its end before its runner hears of the pause.
    JobState.PAUSING: frozenset({JobState.PAUSED, JobState.CANCELLING, JobState.SUCCEEDED, JobState.FAILED}),
    JobState.PAUSED: frozenset({JobState.QUEUED, JobState.CANCELLING}),
    JobState.CANCELLING: frozenset({JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}
"""The states that may follow each state; nothing follows a terminal one."""

TERMINAL = frozenset(state for state, following in NEXT.items() if not following)
"""The job is over and never changes again."""

HELD = frozenset({JobState.RUNNING, JobState.PAUSING, JobState.CANCELLING})
"""A runner holds the job, and may write for it."""


class ImpossibleTransition(RuntimeError):
    """A job was to go from one state to another that may not follow it: a programming error."""


def check_transition(before: JobState, after: JobState) -> None:
    """Raises ImpossibleTransition when `after` may not follow `before`."""
    if after not in NEXT[before]:
        raise ImpossibleTransition(f"{before} → {after}")
