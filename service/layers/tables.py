"""What was noticed of the layers, epoch by epoch."""

from sqlalchemy import ForeignKey, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from service.jobs.ids import JobId
from service.kit.database import Base


class LayersRow(Base):
    """What was noticed in one epoch, packed as `core.training.packed` does; 0 is before training."""

    __tablename__ = "layers"

    job_id: Mapped[JobId] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
