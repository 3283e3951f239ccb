"""Checkpoints; their bytes are blobs."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Integer
from sqlalchemy.orm import Mapped, mapped_column

from service.jobs.ids import JobId
from service.kit.blobs import BlobDigest
from service.kit.database import Base, UtcTime


class CheckpointRow(Base):
    """The state of a run after one epoch; epoch 0 is the state before training."""

    __tablename__ = "checkpoints"

    job_id: Mapped[JobId] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer, primary_key=True)
    step: Mapped[int] = mapped_column(BigInteger)
    weights: Mapped[str] = mapped_column(BlobDigest(), index=True)
    weights_bytes: Mapped[int] = mapped_column(BigInteger)
    memory: Mapped[str] = mapped_column(BlobDigest(), index=True)
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
