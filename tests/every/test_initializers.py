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
    "uniform": {"low": -0.1, "high": 0.4},
}

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
    expected_mean = {"constant": -0.3, "normal": 0.2, "uniform": 0.15}.get(kind, 0.0)
    initializer, fans = example(kind), (64, 32)
    weights = initializer.draw((1000, 1000), fans, np.random.default_rng(0))
    if hasattr(initializer, "std") and callable(initializer.std):
        expected_std = initializer.std(fans)
    elif hasattr(initializer, "bound"):
        expected_std = initializer.bound(fans) / math.sqrt(3)
        assert np.abs(weights).max() <= initializer.bound(fans)
    else:
        expected_std = {"normal": 0.7, "uniform": 0.5 / math.sqrt(12)}.get(kind, 0.0)
    assert weights.mean() == pytest.approx(expected_mean, abs=5 * expected_std / 1000 + 1e-12)
    assert weights.std() == pytest.approx(expected_std, rel=5e-3, abs=1e-12)


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
    ],
)
def test_the_other_name_of_a_kind_is_understood_and_written_out(alias: str, kind: str) -> None:
    assert initializer_from(alias).kind == kind
    assert initializer_from({"kind": alias, "gain": 2.0}).model_dump()["kind"] == kind


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
    {"kind": "he_normal", "mode": "fan_avg"},
    {"kind": "he_normal", "slope": -0.1},
]


@pytest.mark.parametrize("spec", REFUSED, ids=str)
def test_an_initializer_that_makes_no_sense_is_refused(spec: object) -> None:
    with pytest.raises(ValidationError):
        initializer_from(spec)
