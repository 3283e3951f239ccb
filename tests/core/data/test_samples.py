"""Samples: drawn by a formula or bundled."""

import numpy as np
import pytest

from core.data.samples import SAMPLES, draw_sample
from core.data.schema import profile
from core.data.table import NumberColumn, table_to_bytes
from core.data.task import choose_encoding, guess_task
from core.errors import Invalid

GENERATED = sorted(name for name, sample in SAMPLES.items() if sample.origin == "generated")


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_sample_has_the_rows_and_the_target_it_promises(name: str) -> None:
    table = draw_sample(name)
    assert table.rows == SAMPLES[name].rows
    assert table.names[-1] == SAMPLES[name].target


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_sample_depends_on_its_seed_and_nothing_else(name: str) -> None:
    first, again, other = (table_to_bytes(draw_sample(name, 50, 0.2, seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", GENERATED)
@pytest.mark.parametrize("rows", [1, 4, 7])
def test_a_generated_sample_has_as_many_rows_as_asked_for(name: str, rows: int) -> None:
    assert draw_sample(name, rows, 0).rows == rows


def test_four_rows_of_xor_without_noise_are_its_truth_table() -> None:
    table = draw_sample("xor", 4, 0)
    x1, x2, label = table.columns
    assert isinstance(x1, NumberColumn)
    assert isinstance(x2, NumberColumn)
    assert not isinstance(label, NumberColumn)
    assert [*zip(x1.values, x2.values, label.codes, strict=True)] == [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]


def test_circles_without_noise_lie_on_their_radii() -> None:
    x1, x2, label = draw_sample("circles", 100, 0).columns
    assert isinstance(x1, NumberColumn)
    assert isinstance(x2, NumberColumn)
    assert not isinstance(label, NumberColumn)
    inner = label.codes == label.categories.index("inner")
    assert np.allclose(np.hypot(x1.values, x2.values), np.where(inner, 0.5, 1.0), rtol=1e-12)


def test_adding_without_noise_is_the_sum_of_one_marked_number_of_each_half() -> None:
    table = draw_sample("adding", 50, 0)
    (group,) = table.groups
    columns = [table.column(name) for name in group.columns]
    steps = np.stack([column.values for column in columns if isinstance(column, NumberColumn)], axis=1)
    values, markers = np.moveaxis(steps.reshape(-1, *group.shape), 2, 0)
    assert (markers[:, :10].sum(axis=1) == 1).all() and (markers[:, 10:].sum(axis=1) == 1).all()
    total = table.column("sum")
    assert isinstance(total, NumberColumn)
    np.testing.assert_allclose(total.values, (values * markers).sum(axis=1), rtol=1e-15)
    assert group.columns[:4] == ("value_0", "marker_0", "value_1", "marker_1")


def test_counting_without_noise_is_how_often_token_1_occurs() -> None:
    table = draw_sample("counting", 50, 0)
    (group,) = table.groups
    columns = [table.column(name) for name in group.columns]
    tokens = np.stack([column.values for column in columns if isinstance(column, NumberColumn)], axis=1)
    assert set(np.unique(tokens)) == {0, 1, 2, 3} and tokens.shape[1:] == group.shape == (20,)
    count = table.column("count")
    assert isinstance(count, NumberColumn)
    assert count.values.tolist() == (tokens == 1).sum(axis=1).tolist()


def test_digits_are_images_in_row_major_order() -> None:
    table = draw_sample("digits")
    (image,) = table.groups
    assert (image.name, image.shape) == ("image", (1, 8, 8))
    assert image.columns == table.names[:-1]


def test_gaps_of_the_bundled_sets_are_missing_cells() -> None:
    missing = {column.name: column.missing for column in profile(draw_sample("penguins"))}
    assert missing == {
        "island": 0, "bill_length_mm": 2, "bill_depth_mm": 2, "flipper_length_mm": 2, "body_mass_g": 2, "sex": 11,
        "species": 0,
    }  # fmt: skip
    assert {column.name: column.missing for column in profile(draw_sample("cars"))}["Horsepower"] == 6


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("digits", "classification"), ("iris", "classification"), ("penguins", "classification"),
        ("cars", "regression"), ("linear", "regression"), ("sine", "regression"), ("xor", "classification"),
    ],
)  # fmt: skip
def test_the_task_of_a_sample_is_guessed_from_its_target(name: str, task: str) -> None:
    column = draw_sample(name).column(SAMPLES[name].target)
    assert guess_task(column) == task
    assert choose_encoding([column]) == ("class" if task == "classification" else "number")


def test_many_different_whole_numbers_are_a_measurement() -> None:
    progression = np.random.default_rng(0).integers(25, 347, 442).astype(np.float64)
    assert guess_task(NumberColumn("y", progression)) == "regression"


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        (("nope",), ["/sample"]),
        (("xor", 0, -1.0, -1), ["/rows", "/noise", "/seed"]),
        (("xor", 10**9), ["/rows"]),
        (("xor", 4, float("nan")), ["/noise"]),
        (("iris", 10, 0.1, 1), ["/rows", "/noise", "/seed"]),
    ],
)
def test_choices_a_sample_does_not_have_are_refused_by_place(choices: tuple[object, ...], expected: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        draw_sample(*choices)  # type: ignore[arg-type]  # a parametrized tuple
    assert [problem.pointer for problem in caught.value.problems] == expected
