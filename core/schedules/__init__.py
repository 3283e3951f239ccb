"""Schedules, one kind a file."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from core.monitor import Monitor
from core.registry import kinds
from core.schedule import Schedule
from core.schedules.reduce_on_plateau import ReduceOnPlateau
from core.schedules.warmup import Warmup

SCHEDULES = kinds(__name__, Schedule, "kind")

if TYPE_CHECKING:
    AnySchedule = Schedule
else:
    AnySchedule = Annotated[Union[tuple(SCHEDULES.values())], Field(discriminator="kind")]  # noqa: UP007 - built from the folder

# A warm-up holds the schedule that follows it: only now are all kinds known.
for _kind in SCHEDULES.values():
    _kind.model_rebuild(_types_namespace={"AnySchedule": AnySchedule})


def spread_over(schedule: Schedule, epochs: int) -> Schedule:
    """The schedule with a length that was left open set to the epochs of the run, less those of a warm-up."""
    if isinstance(schedule, Warmup):
        return schedule.model_copy(update={"then": spread_over(schedule.then, max(epochs - schedule.epochs, 1))})
    if getattr(schedule, "total_epochs", epochs) is None:
        return schedule.model_copy(update={"total_epochs": epochs})
    return schedule


def watching(schedule: Schedule, usual: Monitor) -> Schedule:
    """The schedule with the curve it watches, if it was left open, set to the usual one of the run."""
    match schedule:
        case Warmup():
            return schedule.model_copy(update={"then": watching(schedule.then, usual)})
        case ReduceOnPlateau(monitor=None):
            return schedule.model_copy(update={"monitor": usual})
        case _:
            return schedule
