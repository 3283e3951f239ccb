"""Answers that jobs have found; their bytes are blobs."""

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from service.jobs.ids import JobId
from service.kit.blobs import BlobDigest
from service.kit.database import Base


class AnswerRow(Base):
    """The answer to the question of one job."""

    __tablename__ = "answers"

    job_id: Mapped[JobId] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    content: Mapped[str] = mapped_column(BlobDigest(), index=True)
    """The JSON that the question would have been answered with at once."""

    content_bytes: Mapped[int] = mapped_column(BigInteger)
