"""Checkpoints kept, dropped, listed and loaded."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.training.checkpoint import Checkpoint
from service.checkpoints.errors import CheckpointNotFound
from service.checkpoints.tables import CheckpointRow
from service.jobs.journal import tell
from service.jobs.states import TERMINAL
from service.jobs.tables import JobRow
from service.kit import blobs
from service.kit.clock import rfc3339
from service.kit.http.strict_json import Json

Which = int | Literal["best", "last"]
"""An epoch, or the one that is best or last so far."""


def keep(session: Session, job: JobRow, checkpoint: Checkpoint, now: datetime) -> CheckpointRow:
    """Store a checkpoint of a job, whose row the caller holds, and tell of it."""
    row = CheckpointRow(
        job_id=job.id,
        epoch=checkpoint.epoch,
        step=checkpoint.step,
        weights=blobs.put(session, checkpoint.weights),
        weights_bytes=len(checkpoint.weights),
        memory=blobs.put(session, checkpoint.memory),
        memory_bytes=len(checkpoint.memory),
        created_at=now,
    )
    session.add(row)
    data: dict[str, Json] = {
        "epoch": row.epoch,
        "step": row.step,
        "is_best": row.epoch == job.best_epoch,
        "weights_sha256": row.weights,
        "memory_sha256": row.memory,
        "at": rfc3339(now),
    }
    tell(session, job, "checkpoint", data, now=now)
    return row


def drop_others(session: Session, job: JobRow, epochs: Collection[int]) -> dict[str, int]:
    """Delete all checkpoints of a job but these; the digests and sizes of their bytes, which are collected later."""
    statement = delete(CheckpointRow).where(CheckpointRow.job_id == job.id, CheckpointRow.epoch.not_in(sorted(epochs)))
    columns = (CheckpointRow.weights, CheckpointRow.weights_bytes, CheckpointRow.memory, CheckpointRow.memory_bytes)
    sizes: dict[str, int] = {}
    dropped = session.execute(statement.returning(*columns), execution_options={"synchronize_session": False})
    for weights, weights_bytes, memory, memory_bytes in dropped:
        sizes |= {weights: weights_bytes, memory: memory_bytes}
    return sizes


def drop_unneeded(session: Session) -> None:
    """Delete the checkpoints of jobs that are over and make no model; what they found is in the job."""
    over = select(JobRow.id).where(JobRow.kind != "training", JobRow.state.in_(TERMINAL))
    statement = delete(CheckpointRow).where(CheckpointRow.job_id.in_(over))
    session.execute(statement, execution_options={"synchronize_session": False})


def stored(session: Session, job: JobRow) -> Sequence[CheckpointRow]:
    """The checkpoints of a job that are kept, in the order of their epochs."""
    query = select(CheckpointRow).where(CheckpointRow.job_id == job.id).order_by(CheckpointRow.epoch)
    return session.scalars(query).all()


def find(session: Session, job: JobRow, which: Which) -> CheckpointRow:
    """One checkpoint of a job. Raises CheckpointNotFound."""
    match which:
        case "best":
            epoch = job.best_epoch
        case "last":
            epoch = job.epoch
        case int():
            epoch = which
    row = None if epoch is None else session.get(CheckpointRow, (job.id, epoch))
    if row is None:
        raise CheckpointNotFound(job=job.id, epoch=which)
    return row


def load(session: Session, row: CheckpointRow) -> Checkpoint:
    """The checkpoint with its bytes."""
    return Checkpoint(row.epoch, row.step, blobs.get(session, row.weights), blobs.get(session, row.memory))
