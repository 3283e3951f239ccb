"""The learning rate that what a question finds is to be seen beside."""

from core.errors import Invalid
from core.inspection.question import Library
from core.inspection.subject import Subject


def rate_in_use(subject: Subject, asked: float | None, library: Library) -> float | None:
    """The rate asked for, else that of the model's epoch; None for a network, and where no run is known any more."""
    if asked is not None or subject.model is None:
        return asked
    try:
        history = library.history(subject.model)
    except Invalid:
        # The data set may be deleted, without which nothing is known of the run; the question itself needs no run.
        return None
    rates = history.learning_rates
    # The start of a run, epoch 0, is about to take the first rate.
    epoch = max(rates, default=0) if history.epoch is None else max(history.epoch, 1)
    return rates.get(epoch)
