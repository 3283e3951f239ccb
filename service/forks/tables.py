"""Where forked jobs come from."""

from typing import Any

from sqlalchemy import ForeignKey, Integer
from sqlalchemy.orm import Mapped, mapped_column

from service.jobs.ids import JobId
from service.kit.database import Base, Id, JsonText


class ForkRow(Base):
    """The origin of one job; it stays when the parent is deleted."""

    __tablename__ = "forks"

    job_id: Mapped[JobId] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    parent_id: Mapped[str] = mapped_column(Id, index=True)
    epoch: Mapped[int] = mapped_column(Integer)
    """The epoch of the parent after which the job begins."""

    report: Mapped[dict[str, Any]] = mapped_column(JsonText)
    """What was changed, what was kept and what was reset."""
