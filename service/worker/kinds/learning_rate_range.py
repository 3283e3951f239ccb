"""Measure through which learning rates the loss of a network falls; each point is recorded as an epoch."""

from core.training.events import Ended
from core.training.range_test import RangeTest
from service.worker.attempt import Attempt
from service.worker.conclusions import Conclusion, finding
from service.worker.driving import drive, experiment_of, job_spec, written
from service.worker.kind import Kind
from service.worker.limits import unlimited_growth


def _measure(attempt: Attempt) -> Conclusion:
    """Go on after the last point that was written."""
    recorder = attempt.record(None)
    test, before = experiment_of(attempt, job_spec(attempt)).range_test(), written(attempt)
    with unlimited_growth():
        if before is None:
            recorder.start(test.checkpoint())
        else:
            test.restore(before[0])
    return drive(attempt, test, lambda ended: _found(ended, test))


def _found(ended: Ended, test: RangeTest) -> Conclusion:
    result = test.result()
    return finding(result.stopped_because, result)


KIND = Kind("learning_rate_range", _measure)
