"""Model references: one token wherever a model goes.

mdl_…            a model                    job_…@12     the checkpoint after epoch 12
name             its latest version         job_…@best   after the best epoch so far
name@3           its version 3              job_…@last   after the last epoch so far
"""

import re
from dataclasses import dataclass
from typing import assert_never

from sqlalchemy.orm import Session

from service.checkpoints import use_cases as checkpoints
from service.checkpoints.errors import CheckpointNotFound
from service.checkpoints.tables import CheckpointRow
from service.checkpoints.use_cases import Which
from service.jobs.ids import JOB_IDS, JobId
from service.jobs.tables import JobRow
from service.models import repository
from service.models.errors import ModelNotFound
from service.models.names import MODEL_IDS, ModelId, is_model_name
from service.models.tables import ModelRow


@dataclass(frozen=True)
class ById:
    """`mdl_…`"""

    model_id: ModelId


@dataclass(frozen=True)
class ByName:
    """`name` or `name@3`; without a version the latest."""

    name: str
    version: int | None


@dataclass(frozen=True)
class AtEpoch:
    """`job_…@12`, `job_…@best` or `job_…@last`."""

    job_id: JobId
    which: Which


Reference = ById | ByName | AtEpoch

LONGEST_REFERENCE = 100


def parse(text: str) -> Reference:
    """What a reference names. Raises ModelNotFound, saying how references look, for a text that is none."""
    model_id = MODEL_IDS.parse(text)
    if model_id is not None:
        return ById(model_id)
    before, at, after = text.partition("@")
    job_id = JOB_IDS.parse(before)
    if job_id is not None:
        return AtEpoch(job_id, _which(text, after if at else None))
    if not is_model_name(before):
        raise ModelNotFound("A model is called by mdl_…, name, name@3, job_…@12, job_…@best or job_…@last.")
    if not at:
        return ByName(before, None)
    if not re.fullmatch(r"[1-9][0-9]{0,8}", after, re.ASCII):
        raise ModelNotFound("After the name of a model and @ stands the number of a version: name@3.")
    return ByName(before, int(after))


def _which(text: str, after: str | None) -> Which:
    match after:
        case "best" | "last":
            return after
        case str() if re.fullmatch(r"0|[1-9][0-9]{0,8}", after, re.ASCII):
            return int(after)
        case _:
            detail = "A job is not a model, but its checkpoints are: add an epoch, as in job_…@12, or @best or @last."
            raise ModelNotFound(detail)


def find(session: Session, text: str) -> ModelRow | CheckpointRow:
    """The row that a reference names now. Raises ModelNotFound."""
    match parse(text):
        case ById(model_id):
            row = repository.by_id(session, model_id)
        case ByName(name, version):
            row = repository.by_name(session, name, version)
        case AtEpoch(job_id, which):
            return _checkpoint(session, job_id, which)
        case other:
            assert_never(other)
    if row is None:
        raise ModelNotFound
    return row


def find_model(session: Session, text: str) -> ModelRow:
    """The same for what only a finished model has. Raises ModelNotFound, also for a checkpoint."""
    row = find(session, text)
    if isinstance(row, CheckpointRow):
        detail = "This names a checkpoint; only the model at the end of a job has a name, scores and a version."
        raise ModelNotFound(detail)
    return row


def label(row: ModelRow | CheckpointRow) -> str:
    """The reference that will always name this row and nothing else."""
    return row.id if isinstance(row, ModelRow) else f"{row.job_id}@{row.epoch}"


def _checkpoint(session: Session, job_id: JobId, which: Which) -> CheckpointRow:
    job = session.get(JobRow, job_id)
    if job is None:
        raise ModelNotFound("There is no job with this id, and so no checkpoint of it.")
    if job.kind == "replay":
        raise ModelNotFound("A replay makes no model; the job that it replays has the same checkpoints.", job=job_id)
    try:
        return checkpoints.find(session, job, which)
    except CheckpointNotFound as error:
        raise ModelNotFound(CheckpointNotFound.message(), job=job_id, epoch=str(which)) from error
