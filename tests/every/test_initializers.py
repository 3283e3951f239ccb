"""What holds of every initializer, and the reference bounds."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from core.initializer import Fans, Initializer
from core.initializers import INITIALIZERS, AnyInitializer

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "early_stopping_and_init.json").read_text())
ITEMS = REFERENCE["initialisers"]["items"]
TANH_GAIN = REFERENCE["initialisers"]["gains"]["tanh"]

SPECS = {
    "xavier_uniform_bound": {"kind": "glorot_uniform"},
    "xavier_normal_std": {"kind": "glorot_normal"},
    "xavier_uniform_bound_tanh_gain": {"kind": "glorot_uniform", "gain": TANH_GAIN},
    "kaiming_uniform_bound_relu_fan_in": {"kind": "he_uniform"},
    "kaiming_normal_std_relu_fan_in": {"kind": "he_normal"},
    "kaiming_normal_std_relu_fan_out": {"kind": "he_normal", "mode": "fan_out"},
    "kaiming_normal_std_leaky_0.2_fan_in": {"kind": "he_normal", "slope": 0.2},
    "lecun_normal_std": {"kind": "lecun_normal"},
    "lecun_uniform_bound": {"kind": "lecun_uniform"},
    "torch_default_bound": {"kind": "he_uniform", "slope": math.sqrt(5)},
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "constant": {"value": -0.3},
    "normal": {"mean": 0.2, "std": 0.7},
    "orthogonal": {"gain": 0.5},
    "truncated_normal": {"mean": 0.2, "std": 0.7},
    "uniform": {"low": -0.1, "high": 0.4},
}

TRUNCATED_STD = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))
"""Of a standard normal distribution between -2 and 2: Var = 1 - 2a φ(a) / (2 Φ(a) - 1)."""

every_initializer = pytest.mark.parametrize("kind", INITIALIZERS)


def initializer_from(spec: object) -> Initializer:
    initializer: Initializer = TypeAdapter(AnyInitializer).validate_python(spec)
    return initializer


def example(kind: str) -> Initializer:
    return initializer_from({"kind": kind, **EXAMPLES.get(kind, {})})


def spread(initializer: Initializer, fans: Fans) -> float:
    number: float = (getattr(initializer, "bound", None) or getattr(initializer, "std"))(fans)  # noqa: B009
    return number


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item["weight_shape"]))
@pytest.mark.parametrize("name", SPECS)
def test_the_bounds_of_the_reference_are_met(item: dict[str, Any], name: str) -> None:
    fans = item["fan_in"], item["fan_out"]
    assert spread(initializer_from(SPECS[name]), fans) == pytest.approx(item[name], rel=1e-12, abs=0)


def test_every_number_of_the_reference_is_checked() -> None:
    assert set(ITEMS[0]) - {"kind", "weight_shape", "groups", "fan_in", "fan_out"} == set(SPECS)


@every_initializer
def test_the_same_seed_draws_the_same_bits(kind: str) -> None:
    first, second = (example(kind).draw((5, 3), (5, 3), np.random.default_rng(4)) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert first.shape == (5, 3)
    assert first.dtype == np.float64


@every_initializer
def test_the_moments_of_many_draws_are_those_promised(kind: str) -> None:
    """Of 10^6 draws the mean is within 5 standard errors and the standard deviation within 0.5 %."""
    expected_mean = {
        "constant": -0.3,
        "normal": 0.2,
        "uniform": 0.15,
        "truncated_normal": 0.2,
        "identity": 1e-3,
    }.get(kind, 0.0)
    initializer, fans = example(kind), (64, 32)
    weights = initializer.draw((1000, 1000), fans, np.random.default_rng(0))
    if hasattr(initializer, "std") and callable(initializer.std):
        expected_std = initializer.std(fans)
    elif hasattr(initializer, "bound"):
        expected_std = initializer.bound(fans) / math.sqrt(3)
        assert np.abs(weights).max() <= initializer.bound(fans)
    else:
        expected_std = {
            "normal": 0.7,
            "uniform": 0.5 / math.sqrt(12),
            "truncated_normal": 0.7 * TRUNCATED_STD,
            "orthogonal": 0.5 / math.sqrt(1000),
            "identity": math.sqrt(1e-3 - 1e-6),
        }.get(kind, 0.0)
    assert weights.mean() == pytest.approx(expected_mean, abs=5 * expected_std / 1000 + 1e-12)
    assert weights.std() == pytest.approx(expected_std, rel=5e-3, abs=1e-12)


@every_initializer
@pytest.mark.parametrize("shape", [(1,), (6,), (1, 4), (4, 1), (3, 2, 2, 5), (2, 7)])
def test_a_tensor_of_any_shape_can_be_drawn(kind: str, shape: tuple[int, ...]) -> None:
    weights = example(kind).draw(shape, (4, 4), np.random.default_rng(0))
    assert weights.shape == shape
    assert weights.flags.c_contiguous
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 4), (7,)])
def test_the_shorter_side_of_an_orthogonal_matrix_is_orthonormal(shape: tuple[int, ...]) -> None:
    weights = initializer_from({"kind": "orthogonal", "gain": 2.0}).draw(shape, (1, 1), np.random.default_rng(1))
    matrix = weights.reshape(-1, shape[-1])
    rows, columns = matrix.shape
    product = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    np.testing.assert_allclose(product, 4.0 * np.eye(min(rows, columns)), atol=1e-14)


def test_orthogonal_matrices_are_drawn_evenly() -> None:
    """Of 2 × 2 the first column is an even angle, and the second to its left as often as to its right."""
    draws = [initializer_from("orthogonal").draw((2, 2), (2, 2), np.random.default_rng(seed)) for seed in range(2000)]
    angles = np.array([math.atan2(draw[1, 0], draw[0, 0]) for draw in draws])
    counts, _ = np.histogram(angles, 8, (-math.pi, math.pi))
    assert np.abs(counts - 250).max() < 5 * math.sqrt(250)
    assert abs(sum(np.linalg.det(draw) for draw in draws)) < 5 * math.sqrt(2000)
    assert abs(sum(draw[0, 0] for draw in draws)) < 5 * math.sqrt(2000 / 2)


def test_no_truncated_weight_is_beyond_two_deviations() -> None:
    draw = initializer_from("trunc_normal").draw((1000, 100), (1, 1), np.random.default_rng(0))
    assert 0.0999 < np.abs(draw).max() <= 0.1


def test_identity_weights_pass_their_input_on() -> None:
    wide, tall = (initializer_from("eye").draw(shape, (1, 1), np.random.default_rng(0)) for shape in ((2, 3), (3, 2)))
    assert (np.array([5.0, 7.0]) @ wide).tolist() == [5.0, 7.0, 0.0]
    assert (np.array([5.0, 7.0, 9.0]) @ tall).tolist() == [5.0, 7.0]


@every_initializer
def test_a_spec_comes_back_from_its_json(kind: str) -> None:
    assert initializer_from(json.loads(example(kind).model_dump_json())) == example(kind)


@pytest.mark.parametrize("kind", [kind for kind in INITIALIZERS if kind != "constant"])
def test_a_plain_name_stands_for_the_defaults(kind: str) -> None:
    assert initializer_from(kind) == initializer_from({"kind": kind})


@pytest.mark.parametrize(
    ("alias", "kind"),
    [
        ("xavier_uniform", "glorot_uniform"),
        ("xavier_normal", "glorot_normal"),
        ("kaiming_uniform", "he_uniform"),
        ("kaiming_normal", "he_normal"),
        ("trunc_normal", "truncated_normal"),
        ("eye", "identity"),
    ],
)
def test_the_other_name_of_a_kind_is_understood_and_written_out(alias: str, kind: str) -> None:
    assert initializer_from(alias).kind == kind
    assert initializer_from({"kind": alias}).model_dump()["kind"] == kind


REFUSED: list[object] = [
    "he",
    "constant",
    5,
    None,
    [],
    {"kind": ["zeros"]},
    {"kind": "zeros", "value": 1.0},
    {"kind": "constant", "value": math.inf},
    {"kind": "constant", "value": True},
    {"kind": "uniform", "low": 1.0, "high": 1.0},
    {"kind": "uniform", "low": -1e308, "high": 1e308},
    {"kind": "normal", "std": -1.0},
    {"kind": "he_normal", "gain": 0.0},
    {"kind": "orthogonal", "gain": -1.0},
    {"kind": "truncated_normal", "std": -1.0},
    {"kind": "he_normal", "mode": "fan_avg"},
    {"kind": "he_normal", "slope": -0.1},
]


@pytest.mark.parametrize("spec", REFUSED, ids=str)
def test_an_initializer_that_makes_no_sense_is_refused(spec: object) -> None:
    with pytest.raises(ValidationError):
        initializer_from(spec)
