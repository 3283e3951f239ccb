"""One attempt of a job: what its kind needs to do the work, and nothing about any kind."""

import time
from dataclasses import dataclass, field
from typing import Any

from service.checkpoints.retention import Retention
from service.jobs.leases import Lease
from service.jobs.states import JobState
from service.jobs.tables import JobPlanRow, JobRow
from service.kit.database import Database
from service.settings import Settings
from service.worker.heartbeat import Heartbeat
from service.worker.recorder import Recorder


@dataclass
class Wishes:
    """What may end the attempt before the work is done."""

    deadline: float
    heartbeat: Heartbeat
    shut_down: bool = field(default=False)

    def should_stop(self) -> bool:
        """Asked between steps."""
        return self.shut_down or self.heartbeat.state != JobState.RUNNING or self.is_time_up()

    def is_time_up(self) -> bool:
        """Whether the job has used up its running time."""
        return time.monotonic() >= self.deadline


@dataclass
class Attempt:
    """The work of one lease."""

    settings: Settings
    database: Database
    lease: Lease
    wishes: Wishes
    recorder: Recorder | None = None
    """Writes epochs and checkpoints while the work is done, for the kinds that have any."""

    def plan(self) -> JobPlanRow:
        """What was asked, as it was written out when the job was accepted."""
        with self.database.reading() as session:
            return session.get_one(JobPlanRow, self.lease.job_id)

    def spec(self) -> dict[str, Any]:
        """The request of the job with every default written out."""
        return self.plan().spec

    def record(self, retention: Retention | None) -> Recorder:
        """Have epochs and checkpoints written from now on, and in the end whatever then still waits."""
        with self.database.reading() as session:
            used_seconds = session.get_one(JobRow, self.lease.job_id).used_seconds
        self.recorder = Recorder(self.database, self.lease, retention, used_seconds)
        return self.recorder
