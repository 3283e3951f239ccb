"""What a run has done, written so that it is never half there: epochs, their events and checkpoints, and the progress.

Epochs that are shorter than a commit are written several at a time. Whatever the grouping, the last epoch written has
its checkpoint in the same transaction, and the same checkpoints are kept in the end.
"""

import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from core.graph.graph import Graph
from core.training.checkpoint import Checkpoint
from core.training.events import EpochEnded
from core.training.statistics import EpochStatistics
from service.checkpoints import use_cases as checkpoints
from service.checkpoints.retention import Retention
from service.checkpoints.tables import CheckpointRow
from service.diagnosis import use_cases as diagnoses
from service.diagnosis.schemas import DiagnosisTold
from service.epochs import use_cases as epochs
from service.jobs.journal import note_provenance, tell
from service.jobs.leases import Lease, held
from service.jobs.states import TERMINAL
from service.jobs.tables import JobRow
from service.kit import blobs
from service.kit.clock import rfc3339
from service.kit.database import Database, database_now
from service.kit.http.strict_json import Json
from service.kit.provenance import provenance
from service.layers import use_cases as layers

SHORTEST_SECONDS = 0.2
"""Time between two writes at least."""

LARGEST_SHARE = 0.1
"""Share of the running time that writing may take, as long as epochs are short enough to wait for one another."""

MOST_WAITING_BYTES = 32 * 1024 * 1024
"""Checkpoints that wait to be written; they count against the memory of the job."""

MOST_RETIRED_BYTES = 16 * 1024 * 1024
"""Checkpoints that are no longer kept, whose bytes have not been collected yet."""


@dataclass
class _Waiting:
    """Epochs that are done but not written, and the checkpoints that would be kept of them."""

    epochs: list[EpochEnded]
    checkpoints: dict[int, Checkpoint]
    diagnoses: dict[int, DiagnosisTold] = field(default_factory=dict)
    """What has changed with each of these epochs."""

    first_look: EpochStatistics | None = None
    """What was noticed before training."""

    unfinished: EpochStatistics | None = None
    """What was noticed in an epoch that overflowed."""

    last_diagnosis: DiagnosisTold | None = None
    """What the end of the run has changed; it is told behind all epochs."""

    @property
    def size_bytes(self) -> int:
        return sum(len(one.weights) + len(one.memory) for one in self.checkpoints.values())


class Recorder:
    """Writes what one attempt does, as long as it holds the job.

    Without a retention nobody asks for any checkpoint but the one that the next attempt would go on from: then only
    the last epoch of a write has one, and it is gone when the job is over.
    """

    def __init__(self, database: Database, lease: Lease, retention: Retention | None, used_seconds: float) -> None:
        self._database = database
        self._lease = lease
        self._retention = retention
        self._used_seconds = used_seconds
        self._began = self._written = time.monotonic()
        self._write_seconds = 0.0
        self._waiting = _Waiting([], {})
        self._retired: dict[str, int] = {}
        self._graph: Graph | None = None

    def tell_of(self, graph: Graph) -> None:
        """From now on tell of the layers of this network as well."""
        self._graph = graph

    def start(
        self,
        checkpoint: Checkpoint,
        first_look: EpochStatistics | None = None,
        diagnosis: DiagnosisTold | None = None,
    ) -> None:
        """Write the state before training, and what was noticed of it. Raises Replaced."""
        self._waiting.checkpoints[0] = checkpoint
        self._waiting.first_look = first_look
        self._diagnosed(0, diagnosis)
        self.flush()

    def add(
        self, ended: EpochEnded, checkpoint: Callable[[], Checkpoint], diagnosis: DiagnosisTold | None = None
    ) -> None:
        """Remember an epoch, and write it, with those before it, when it is time. Raises Replaced."""
        waiting = self._waiting
        waiting.epochs.append(ended)
        self._diagnosed(ended.epoch, diagnosis)
        is_due = time.monotonic() - self._written >= max(SHORTEST_SECONDS, self._write_seconds / LARGEST_SHARE)
        if self._retention is None and not is_due:
            return
        waiting.checkpoints[ended.epoch] = checkpoint()
        kept = self._kept(ended.epoch, ended.best_epoch)
        waiting.checkpoints = {epoch: one for epoch, one in waiting.checkpoints.items() if epoch in kept}
        if is_due or waiting.size_bytes >= MOST_WAITING_BYTES:
            self.flush()

    def write_now(self, checkpoint: Checkpoint) -> None:
        """Write the epochs that wait at once, of which this is the last one's checkpoint. Raises Replaced."""
        if self._waiting.epochs:
            self._waiting.checkpoints[checkpoint.epoch] = checkpoint
            self.flush()

    def drop_unfinished(self) -> None:
        """Forget the epochs that have no checkpoint to go on from: the next attempt runs them again."""
        newest = max(self._waiting.checkpoints, default=0)
        self._waiting.epochs = [ended for ended in self._waiting.epochs if ended.epoch <= newest]

    def close(self, unfinished: EpochStatistics | None, diagnosis: DiagnosisTold | None) -> None:
        """Remember what was noticed in an epoch that did not end, and what the end has changed in the diagnosis."""
        self._waiting.unfinished, self._waiting.last_diagnosis = unfinished, diagnosis

    def checkpoint(self, epoch: int) -> Checkpoint | None:
        """The state after an epoch, written or not; None if it is not kept."""
        waiting = self._waiting.checkpoints.get(epoch)
        if waiting is not None:
            return waiting
        with self._database.reading() as session:
            row = session.get(CheckpointRow, (self._lease.job_id, epoch))
            return None if row is None else checkpoints.load(session, row)

    def flush(self) -> None:
        """Write all that waits, in one transaction. Raises Replaced."""
        begun = time.monotonic()
        with self._database.writing() as session:
            self.write(session, held(session, self._lease), database_now(session))
        self.clear()
        if sum(self._retired.values()) >= MOST_RETIRED_BYTES:
            self.collect()
        self._written = time.monotonic()
        self._write_seconds = self._written - begun

    def write(self, session: Session, job: JobRow, now: datetime) -> None:
        """Write all that waits as part of the caller's transaction; after its commit the caller calls `clear`."""
        job.used_seconds = self._used_seconds + time.monotonic() - self._began
        waiting = self._waiting
        if 0 in waiting.checkpoints:
            self._keep(session, job, waiting.checkpoints[0], now)
        self._notice(session, job, waiting.first_look, now)
        _tell(session, job, waiting.diagnoses.get(0), now)
        for ended in waiting.epochs:
            _write_epoch(session, job, ended, now)
            self._notice(session, job, ended.statistics, now)
            _tell(session, job, waiting.diagnoses.get(ended.epoch), now)
            if ended.epoch in waiting.checkpoints:
                self._keep(session, job, waiting.checkpoints[ended.epoch], now)
        self._notice(session, job, waiting.unfinished, now)
        _tell(session, job, waiting.last_diagnosis, now)
        if waiting.epochs:
            note_provenance(session, job, provenance().model_dump(mode="json"))
            self._retire(session, job, self._kept(job.epoch, job.best_epoch))

    def leave(self, session: Session, job: JobRow) -> None:
        """Drop what only another attempt would have needed, once the job is over."""
        if self._retention is None and job.state in TERMINAL:
            self._retire(session, job, set())

    def clear(self) -> None:
        """All that waited has been written."""
        self._waiting = _Waiting([], {})

    def collect(self) -> None:
        """Free the bytes of the checkpoints that are no longer kept."""
        if self._retired:
            with self._database.writing() as session:
                blobs.collect_unreferenced(session, among=self._retired)
            self._retired = {}

    def _notice(self, session: Session, job: JobRow, statistics: EpochStatistics | None, now: datetime) -> None:
        """Write what was noticed of the layers, and tell of it where they were probed."""
        if statistics is None:
            return
        layers.record(session, job, statistics)
        if self._graph is not None and (data := layers.told(self._graph, statistics)) is not None:
            tell(session, job, "layers", {**data, "at": rfc3339(now)}, now=now)

    def _diagnosed(self, epoch: int, diagnosis: DiagnosisTold | None) -> None:
        if diagnosis is not None:
            self._waiting.diagnoses[epoch] = diagnosis

    def _kept(self, last: int, best: int | None) -> AbstractSet[int]:
        return {last} if self._retention is None else self._retention.epochs(last, best)

    def _retire(self, session: Session, job: JobRow, kept: AbstractSet[int]) -> None:
        self._retired.update(checkpoints.drop_others(session, job, kept))

    def _keep(self, session: Session, job: JobRow, checkpoint: Checkpoint, now: datetime) -> None:
        checkpoints.keep(session, job, checkpoint, now)
        job.losses_without_progress = 0


def _tell(session: Session, job: JobRow, diagnosis: DiagnosisTold | None, now: datetime) -> None:
    if diagnosis is not None:
        stated = diagnosis.model_copy(update={"at": now}).model_dump(mode="json")
        tell(session, job, diagnoses.KIND, stated, now=now)


def _write_epoch(session: Session, job: JobRow, ended: EpochEnded, now: datetime) -> None:
    row = epochs.record(session, job, ended)
    job.epoch, job.step = ended.epoch, ended.step
    job.best_epoch, job.patience_left = ended.best_epoch, ended.patience_left
    job.epoch_seconds = ended.seconds
    job.examples_per_second = epochs.finite(ended.examples_per_second)
    data: dict[str, Json] = {
        "epoch": ended.epoch,
        "step": ended.step,
        "learning_rate": ended.learning_rate,
        "training": dict(row.training),
        "validation": dict(row.validation),
        "gradient_norm": row.gradient_norm,
        "seconds": ended.seconds,
        "best_epoch": ended.best_epoch,
        "patience_left": ended.patience_left,
        "at": rfc3339(now),
    }
    tell(session, job, "epoch", data, now=now)
