"""Data sets: what is said of them; the cells themselves are a blob."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from service.datasets.ids import DatasetId
from service.kit.blobs import BlobDigest
from service.kit.database import Base, Id, JsonText, UtcTime
from service.kit.http.strict_json import Json


class DatasetRow(Base):
    """One data set; those of the same content share a blob."""

    __tablename__ = "datasets"

    id: Mapped[DatasetId] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    rows: Mapped[int] = mapped_column(Integer)
    column_count: Mapped[int] = mapped_column(Integer)
    # Kinds and statistics of thousands of columns can be megabytes, which lists and jobs have no use for.
    columns: Mapped[list[Json]] = mapped_column(JsonText, deferred=True, deferred_group="description")
    groups: Mapped[list[Json] | None] = mapped_column(JsonText, deferred=True, deferred_group="description")
    """Null in data sets that are older than groups: they have none."""

    source: Mapped[dict[str, Json]] = mapped_column(JsonText, deferred=True, deferred_group="description")
    sha256: Mapped[str] = mapped_column(BlobDigest(), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
