"""Jobs, which are the queue as well; what each was asked; their states; and what they say while they run."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Double, Enum, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from service.jobs.ids import JobId
from service.jobs.states import JobKind, JobState, StopReason
from service.kit.database import Base, Id, JsonText, UtcTime
from service.kit.http.strict_json import Json

_STATE = Enum(JobState, native_enum=False, create_constraint=False, length=16, values_callable=list)


class JobRow(Base):
    """One job: where it stands, and who holds it.

    Everything large is elsewhere: this table is scanned by everybody who looks for work.
    """

    __tablename__ = "jobs"

    id: Mapped[JobId] = mapped_column(Id, primary_key=True)
    kind: Mapped[JobKind] = mapped_column(String(32), server_default="training", default="training")
    name: Mapped[str] = mapped_column(String(200))
    dataset_id: Mapped[str | None] = mapped_column(Id, index=True)
    """What it reads; None for a question about a network that came with it."""

    validation_dataset_id: Mapped[str | None] = mapped_column(Id, index=True)
    labels: Mapped[dict[str, str]] = mapped_column(JsonText)
    priority: Mapped[int] = mapped_column(Integer)
    state: Mapped[JobState] = mapped_column(_STATE)
    stop_reason: Mapped[StopReason | None] = mapped_column(String(32))
    error: Mapped[dict[str, Json] | None] = mapped_column(JsonText)
    model_id: Mapped[str | None] = mapped_column(Id)
    result: Mapped[dict[str, Json] | None] = mapped_column(JsonText)
    """What a job has found that makes no model."""

    created_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)

    limit_seconds: Mapped[float] = mapped_column(Double)
    limit_memory_mb: Mapped[int] = mapped_column(Integer)

    attempt: Mapped[int] = mapped_column(Integer, default=0)
    """How often a worker has taken the job."""

    nonce: Mapped[str | None] = mapped_column(String(32))
    """Known only to the holder of this attempt; null while nobody holds the job."""

    worker_id: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    losses_without_progress: Mapped[int] = mapped_column(Integer, default=0)
    """Workers lost in a row without a new checkpoint between them."""

    epoch: Mapped[int] = mapped_column(Integer, default=0)
    epochs: Mapped[int] = mapped_column(Integer)
    step: Mapped[int] = mapped_column(BigInteger, default=0)
    best_epoch: Mapped[int | None] = mapped_column(Integer)
    patience_left: Mapped[int | None] = mapped_column(Integer)
    examples_per_second: Mapped[float | None] = mapped_column(Double)
    epoch_seconds: Mapped[float | None] = mapped_column(Double)
    """How long the last epoch took."""

    used_seconds: Mapped[float] = mapped_column(Double, default=0.0)
    """Running time of all attempts together, as far as it led to a checkpoint."""

    last_event: Mapped[int] = mapped_column(Integer, default=0)
    """Id of the newest event."""

    __table_args__ = (
        Index("ix_jobs_queue", "state", priority.desc(), "id"),
        Index("ix_jobs_state_id", "state", "id"),
    )


class JobPlanRow(Base):
    """What a job was asked, with nothing left open, and what its models consist of beside their weights."""

    __tablename__ = "job_plans"

    job_id: Mapped[JobId] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    spec: Mapped[dict[str, Any]] = mapped_column(JsonText)
    """The request with every default written out; posting it again gives the same run."""

    notes: Mapped[list[str]] = mapped_column(JsonText)
    """What was decided or left out, in sentences."""

    network: Mapped[dict[str, Json]] = mapped_column(JsonText)
    """The network in node form, without values of parameters."""

    preparation: Mapped[dict[str, Json]] = mapped_column(JsonText)
    provenance: Mapped[list[dict[str, Json]]] = mapped_column(JsonText, server_default="[]", default=list)
    """What its epochs were computed with: of an undisturbed run one entry, more if workers of other kinds went on."""


class JobStateRow(Base):
    """One change of state."""

    __tablename__ = "job_states"

    job_id: Mapped[JobId] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    event: Mapped[int] = mapped_column(Integer, primary_key=True)
    """The event that told of it."""

    state: Mapped[JobState] = mapped_column(_STATE)
    at: Mapped[datetime] = mapped_column(UtcTime)
    reason: Mapped[str | None] = mapped_column(String(200))


class EventRow(Base):
    """Something a job said; ids count from 1 without a gap."""

    __tablename__ = "events"

    job_id: Mapped[JobId] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(UtcTime)
    data: Mapped[dict[str, Json]] = mapped_column(JsonText)
