"""What is remembered of a run: all of a short one, and of a long one what fits into little memory."""

from dataclasses import asdict

from core.diagnosis.course import Point
from core.diagnosis.record import MOST_EPOCHS, RECENT, Record, rounded
from core.training.events import EpochEnded
from core.training.packed import statistics_from_bytes, statistics_to_bytes
from core.training.run import Run
from core.training.statistics import EpochStatistics, is_probed
from tests.bench.faulty_runs import a_case
from tests.core.diagnosis.courses import a_look, a_network, a_step

GRAPH = a_network("tanh", "tanh")


def a_record(epochs: int, steps: int = 0) -> Record:
    """A run of so many epochs, of so many steps each that were looked at."""
    record = Record(GRAPH, classes=True, rescales=False, chance=1.0)
    for epoch in range(epochs + 1):
        looked = [a_step(GRAPH, (epoch - 1) * steps + one) for one in range(steps)] if epoch else []
        look = a_look(GRAPH, epoch) if is_probed(epoch) else None
        record.add(Point(epoch, 0.1, 1.0 / epoch, None) if epoch else None, EpochStatistics(epoch, looked, look))
    return record


def test_of_a_short_run_every_epoch_is_remembered() -> None:
    course = a_record(MOST_EPOCHS, steps=3).course()
    assert [point.epoch for point in course.points] == list(range(1, MOST_EPOCHS + 1))
    assert len(course.statistics) == MOST_EPOCHS + 1
    assert len(course.steps) == 3 * 64 + 2 * (MOST_EPOCHS - 64)


def test_of_a_long_run_some_are_with_all_looks_and_the_last_epochs() -> None:
    course = a_record(20_000).course()
    kept = [point.epoch for point in course.points]
    assert kept == sorted(kept)
    assert len(kept) <= MOST_EPOCHS + RECENT + len(course.probes) + 1
    assert kept[-RECENT:] == list(range(20_001 - RECENT, 20_001))
    assert [probe.epoch for probe in course.probes] == [epoch for epoch in range(20_001) if is_probed(epoch)]


def test_of_an_epoch_of_many_steps_some_are_and_all_of_the_first_of_the_run() -> None:
    course = a_record(70, steps=1000).course()
    first, second, late = ([step.step for epoch, step in course.steps if epoch == one] for one in (1, 2, 70))
    assert first[:10] == list(range(10))
    assert (len(first), len(second), len(late)) == (26, 16, 2)
    assert second[0] == 1000 and 1900 < second[-1] < 2000


def test_what_is_judged_has_the_digits_that_are_stored() -> None:
    """Whoever reads the bytes says the same as who has noticed, to the last digit."""
    case = a_case("saturated", 100_000)
    run = Run(case.graph, case.spec, case.training)
    seen = [run.first_look(), *(event.statistics for event in run.events() if isinstance(event, EpochEnded))]
    for statistics in seen:
        assert statistics is not None
        stored = statistics_from_bytes(case.graph, statistics_to_bytes(statistics))
        assert asdict(rounded(statistics)) == asdict(stored)
        assert asdict(rounded(stored)) == asdict(stored)
