"""What a kind of job is to a worker: how its work is done, and how it concludes."""

from collections.abc import Callable
from dataclasses import dataclass

from service.jobs.states import JobKind
from service.worker.attempt import Attempt
from service.worker.conclusions import Conclusion


@dataclass(frozen=True)
class Kind:
    """The work of a kind of job; leases, limits, retries and cancellation are the same for all and know none of it."""

    name: JobKind

    work: Callable[[Attempt], Conclusion]
    """Do the work in this process, and say how the attempt ends. Called with the memory limit of the job in force.

    Raises CoreError or DatasetNotFound for work that cannot be done, MemoryError, and Replaced.
    """

    stops_by_itself: bool = True
    """Whether the work asks every few milliseconds whether to stop, and then keeps what it has done so far.

    Work that does not is ended with its process as soon as that is asked for, and begins anew in the next attempt.
    """
