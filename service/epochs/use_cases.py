"""Epochs recorded, and read as curves."""

import csv
import io
import math
from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.training.events import EpochEnded
from service.epochs.schemas import Column, Curves
from service.epochs.tables import EpochRow
from service.jobs.tables import JobRow


def record(session: Session, job: JobRow, ended: EpochEnded) -> EpochRow:
    """Store what was measured in an epoch of a job, whose row the caller holds."""
    row = EpochRow(
        job_id=job.id,
        epoch=ended.epoch,
        step=ended.step,
        training=_finite(ended.training),
        validation=_finite(ended.validation),
        learning_rate=ended.learning_rate,
        gradient_norm=finite(ended.gradient_norm),
        seconds=ended.seconds,
    )
    session.add(row)
    return row


def curves(session: Session, job: JobRow) -> Curves:
    """All epochs of a job, as columns."""
    query = select(EpochRow).where(EpochRow.job_id == job.id).order_by(EpochRow.epoch)
    rows = session.scalars(query).all()
    return Curves(
        epoch=[row.epoch for row in rows],
        step=[row.step for row in rows],
        training=_columns([row.training for row in rows]),
        validation=_columns([row.validation for row in rows]),
        learning_rate=[row.learning_rate for row in rows],
        gradient_norm=[row.gradient_norm for row in rows],
        seconds=[row.seconds for row in rows],
    )


def as_csv(curves: Curves) -> str:
    """The curves with one line for each epoch and a header; measures are named `training.loss` and so on."""
    columns: dict[str, Sequence[float | None]] = {
        "epoch": curves.epoch,
        "step": curves.step,
        **{f"training.{name}": column for name, column in curves.training.items()},
        **{f"validation.{name}": column for name, column in curves.validation.items()},
        "learning_rate": curves.learning_rate,
        "gradient_norm": curves.gradient_norm,
        "seconds": curves.seconds,
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def finite(value: float) -> float | None:
    """The number, or None for one that has no JSON."""
    return float(value) if math.isfinite(value) else None


def _finite(measures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: finite(value) for name, value in measures.items()}


def _columns(rows: Sequence[Mapping[str, float | None]]) -> dict[str, Column]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}
