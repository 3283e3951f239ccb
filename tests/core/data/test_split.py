"""Training, validation and test rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.split import split_indices
from core.errors import Invalid

shares = st.sampled_from([0.0, 0.1, 0.2, 0.25, 1 / 3])


@given(st.lists(st.integers(-1, 5), min_size=2, max_size=80), shares, shares, st.booleans(), st.integers(0, 2**63))
def test_every_row_is_in_exactly_one_part(
    codes: list[int], validation: float, test: float, stratified: bool, seed: int
) -> None:
    split = split_indices(len(codes), validation, test, np.array(codes) if stratified else None, seed=seed)
    assert sorted(np.concatenate(split).tolist()) == list(range(len(codes)))
    assert all((np.diff(part) > 0).all() for part in split)
    assert len(split.training) >= 1


@given(st.lists(st.integers(10, 40), min_size=1, max_size=6), shares, shares, st.integers(0, 100))
def test_each_class_is_divided_by_the_same_shares(sizes: list[int], validation: float, test: float, seed: int) -> None:
    classes = np.repeat(np.arange(len(sizes)), sizes)
    split = split_indices(len(classes), validation, test, classes, seed=seed)
    for code, size in enumerate(sizes):
        assert (classes[split.training] == code).any()
        assert abs((classes[split.test] == code).sum() - size * test) <= 1
        assert abs((classes[split.validation] == code).sum() - size * validation) <= 1


@given(st.lists(st.integers(0, 5), min_size=2, max_size=40), shares, shares, st.integers(0, 100))
def test_every_class_has_a_row_to_learn_from(codes: list[int], validation: float, test: float, seed: int) -> None:
    classes = np.array(codes)
    split = split_indices(len(codes), validation, test, classes, seed=seed)
    assert set(classes[split.training]) == set(codes)


def test_counts_are_exact_by_largest_remainder() -> None:
    codes = np.repeat([0, 1, 2], [50, 50, 50])
    split = split_indices(150, 0.2, 0.1, codes, seed=0)
    assert [np.bincount(codes[part]).tolist() for part in split] == [[35, 35, 35], [10, 10, 10], [5, 5, 5]]
    codes = np.repeat([0, 1], [7, 3])
    assert np.bincount(codes[split_indices(10, 0.5, 0.0, codes, seed=0).validation]).tolist() == [4, 1]


def test_the_seed_alone_decides() -> None:
    codes = np.arange(100) % 3
    first, again, other = (split_indices(100, 0.2, 0.1, codes, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first.validation, other.validation)


def test_a_class_of_one_row_stays_in_training() -> None:
    codes = np.array([0] * 9 + [1])
    for seed in range(20):
        assert 9 in split_indices(10, 0.4, 0.4, codes, seed=seed).training


def test_few_rows_stay_in_training_rather_than_being_measured() -> None:
    assert [len(part) for part in split_indices(1, 0.9, 0.0, seed=0)] == [1, 0, 0]
    assert [len(part) for part in split_indices(2, 0.25, 0.25, seed=0)] == [1, 0, 1]


@pytest.mark.parametrize(
    ("rows", "validation", "test", "place"),
    [
        (10, 0.5, 0.5, "/validation"),
        (10, 1.0, 0.0, "/validation"),
        (10, 0.0, -0.1, "/test"),
        (10, 0.0, float("nan"), "/test"),
        (0, 0.0, 0.0, ""),
    ],
)
def test_shares_that_leave_nothing_to_learn_from_are_refused(
    rows: int, validation: float, test: float, place: str
) -> None:
    with pytest.raises(Invalid) as caught:
        split_indices(rows, validation, test, None, seed=0)
    assert [problem.pointer for problem in caught.value.problems] == [place]
