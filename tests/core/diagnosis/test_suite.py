"""A short form of the benchmark: planted faults are found, and healthy runs are not accused."""

import pytest

from tests.bench.diagnosis import outcome
from tests.bench.faulty_runs import RIGHT

SEEDS = range(100_000, 100_003)


@pytest.mark.parametrize("fault", RIGHT)
def test_runs_with_a_planted_fault_get_its_code(fault: str) -> None:
    found = outcome(fault, SEEDS)
    assert found.right == found.runs, found.codes


def test_healthy_runs_are_not_blamed_for_their_structure() -> None:
    found = outcome(None, range(100_000, 100_012))
    assert found.right == found.runs, found.codes
