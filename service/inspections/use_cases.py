"""Questions answered at once or by a job, and the answers of jobs."""

import json
from datetime import datetime

from sqlalchemy.orm import Session

from core.inspect import QUESTIONS
from core.inspection.answers import answered
from core.inspection.question import Library, Question
from core.inspection.subject import Subject
from service.checkpoints.tables import CheckpointRow
from service.inspections.errors import AnswerNotFound
from service.inspections.library import named
from service.inspections.tables import AnswerRow
from service.jobs.orders import Bounds, Order, enqueue, missing
from service.jobs.results import AnswerResult
from service.jobs.tables import JobRow
from service.kit import blobs
from service.kit.http.strict_json import Json
from service.models import references
from service.models.tables import ModelRow


def answer(question: Question, library: Library) -> bytes:
    """The answer as JSON. Raises Invalid."""
    return answered(question, library).model_dump_json().encode()


def ask(session: Session, question: Question, bounds: Bounds, now: datetime) -> JobRow:
    """Put a question into the queue.

    A reference to its model is made to name just the model that it names now, and the data sets that this has learned
    from are kept until the job is over.

    Raises Invalid when there is no such model.
    """
    spec = question.model_dump(mode="json")
    subject = getattr(question, "subject", None)
    datasets: dict[str, str] = {}
    if isinstance(subject, Subject) and subject.model is not None:
        with named(subject.model):
            row = references.find(session, subject.model)
        spec["subject"]["model"] = references.label(row)
        datasets = _datasets(session, row)
        # A question about rows that it brings can be answered without them.
        missing(session, datasets, lock=True)
    order = Order(
        kind="inspect",
        name=question.question,
        spec=spec,
        limit_seconds=bounds.seconds,
        limit_memory_mb=bounds.memory_mb,
        dataset=datasets.get("dataset"),
        validation_dataset=datasets.get("validation_dataset"),
    )
    return enqueue(session, order, now)


def asked(spec: dict[str, Json]) -> Question:
    """The question of a job, from its spec."""
    return QUESTIONS[str(spec["question"])].model_validate_json(json.dumps(spec))


def keep(session: Session, job: JobRow, question: Question, content: bytes) -> AnswerResult:
    """Store the answer of a job, whose row the caller holds."""
    session.add(AnswerRow(job_id=job.id, content=blobs.put(session, content), content_bytes=len(content)))
    return AnswerResult(question=question.question, answer=f"/v1/jobs/{job.id}/answer", bytes=len(content))


def read(session: Session, job: JobRow) -> bytes:
    """The answer of a job. Raises AnswerNotFound."""
    row = session.get(AnswerRow, job.id)
    if row is None:
        raise AnswerNotFound(job=job.id, kind=job.kind, state=job.state)
    return blobs.get(session, row.content)


def _datasets(session: Session, row: ModelRow | CheckpointRow) -> dict[str, str]:
    """What a model has learned from and was validated on."""
    job = session.get(JobRow, row.job_id)
    if job is not None:
        found = {"dataset": job.dataset_id, "validation_dataset": job.validation_dataset_id}
    else:
        assert isinstance(row, ModelRow)
        split = row.spec.get("split") or {}
        found = {"dataset": row.dataset_id, "validation_dataset": split.get("validation_dataset")}
    return {name: dataset for name, dataset in found.items() if dataset is not None}
