"""Epochs of jobs."""

from sqlalchemy import BigInteger, Double, ForeignKey, Integer
from sqlalchemy.orm import Mapped, mapped_column

from service.jobs.ids import JobId
from service.kit.database import Base, JsonText


class EpochRow(Base):
    """What was measured in one epoch; null where the value was not finite."""

    __tablename__ = "epochs"

    job_id: Mapped[JobId] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer, primary_key=True)
    step: Mapped[int] = mapped_column(BigInteger)
    training: Mapped[dict[str, float | None]] = mapped_column(JsonText)
    validation: Mapped[dict[str, float | None]] = mapped_column(JsonText)
    learning_rate: Mapped[float] = mapped_column(Double)
    gradient_norm: Mapped[float | None] = mapped_column(Double)
    seconds: Mapped[float] = mapped_column(Double)
