"""Models and the names they are numbered under."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.blobs import BlobDigest
from service.kit.database import Base, Id, JsonText, UtcTime
from service.models.names import LONGEST_NAME, ModelId


class ModelRow(Base):
    """One trained model: everything that predictions need, whatever becomes of its job and its data set."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[ModelId] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    version: Mapped[int] = mapped_column(Integer)
    job_id: Mapped[str] = mapped_column(Id, unique=True)
    dataset_id: Mapped[str] = mapped_column(Id)
    # Read together, and only when a model is shown or loaded: lists and predictions need none of them.
    spec: Mapped[dict[str, Any]] = mapped_column(JsonText, deferred=True, deferred_group="description")
    network: Mapped[dict[str, Any]] = mapped_column(JsonText, deferred=True, deferred_group="description")
    preparation: Mapped[dict[str, Any]] = mapped_column(JsonText, deferred=True, deferred_group="description")
    certificate: Mapped[dict[str, Any] | None] = mapped_column(JsonText, deferred=True, deferred_group="description")
    provenance: Mapped[list[dict[str, Any]]] = mapped_column(
        JsonText, server_default="[]", deferred=True, deferred_group="description"
    )
    weights: Mapped[str] = mapped_column(BlobDigest(), index=True)
    parameter_count: Mapped[int] = mapped_column(BigInteger)
    scores: Mapped[dict[str, Any]] = mapped_column(JsonText)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class ModelNameRow(Base):
    """The last version given to a name; it outlives its models, so that `name@3` never means another one."""

    __tablename__ = "model_names"

    name: Mapped[str] = mapped_column(String(LONGEST_NAME), primary_key=True)
    last_version: Mapped[int] = mapped_column(Integer)
