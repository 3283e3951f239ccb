"""Answer a question about a network or a model; the answer is stored, and nothing else is changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from sqlalchemy.orm import Session

from core.inspection.question import History, Trained
from service.inspections import use_cases as inspections
from service.inspections.library import StoredModels
from service.jobs import leases
from service.jobs.tables import JobRow
from service.models.loading import ModelShelf
from service.worker.attempt import Attempt
from service.worker.conclusions import Conclusion, unless_cancelled
from service.worker.driving import stopped
from service.worker.kind import Kind
from service.worker.limits import unlimited_growth

Found = TypeVar("Found")


class _Library:
    """The stored models, read without a bound on memory: what reads them may hang in a refused allocation."""

    def __init__(self, stored: StoredModels) -> None:
        self._stored = stored

    def model(self, reference: str) -> Trained:
        """The model that a reference names. Raises Invalid."""
        return _unbounded(partial(self._stored.model, reference))

    def history(self, reference: str) -> History:
        """How it was trained. Raises Invalid."""
        found = _unbounded(partial(self._stored.history, reference))
        readers = {epoch: partial(_unbounded, read) for epoch, read in found.checkpoints.items()}
        return replace(found, checkpoints=readers)


def _unbounded(read: Callable[[], Found]) -> Found:
    with unlimited_growth():
        return read()


def _answer(attempt: Attempt) -> Conclusion:
    """From the start, whatever earlier attempts have come to."""
    if attempt.wishes.should_stop():
        return stopped(attempt)
    question = inspections.asked(attempt.spec())
    library = _Library(StoredModels(attempt.database, ModelShelf(), attempt.settings.max_parameters))
    content = inspections.answer(question, library)

    def conclude(session: Session, job: JobRow, now: datetime) -> None:
        result = inspections.keep(session, job, question, content)
        leases.report(session, job, "answered", result.model_dump(mode="json"), now=now)

    return unless_cancelled(conclude)


KIND = Kind("inspect", _answer, stops_by_itself=False)
