"""Clipping by norm and by value; whole clipped runs stand in tests/every/test_optimizers.py."""

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from core.training.clipping import Clip


def test_a_long_gradient_is_shortened_to_the_norm() -> None:
    """(3, 4) has length 5, so a bound of 1 leaves (0.6, 0.8), but for the 1e-6 in the denominator."""
    gradient = np.array([3.0, 4.0])
    Clip(norm=1.0).apply(gradient, 5.0)
    np.testing.assert_allclose(gradient, np.array([3.0, 4.0]) / (5.0 + 1e-6), rtol=1e-15)


def test_a_short_gradient_keeps_its_bits() -> None:
    gradient = np.array([0.3, 0.4], np.float32)
    before = gradient.tobytes()
    Clip(norm=1.0).apply(gradient, 0.5)
    Clip(value=0.5).apply(gradient, 0.5)
    assert gradient.tobytes() == before


def test_each_entry_is_cut_to_the_value() -> None:
    gradient = np.array([-3.0, -0.2, 0.0, 0.5, 7.0], np.float32)
    Clip(value=0.5).apply(gradient, 8.0)
    assert gradient.tolist() == [-0.5, np.float32(-0.2), 0.0, 0.5, 0.5]


@pytest.mark.parametrize("clip", [Clip(norm=1.0), Clip(value=1.0)], ids=["norm", "value"])
def test_a_gradient_that_is_not_a_number_is_not_hidden(clip: Clip) -> None:
    gradient = np.array([math.nan, 1.0])
    clip.apply(gradient, math.nan)
    assert math.isnan(gradient[0])


def test_a_gradient_whose_square_overflows_in_float32_is_still_shortened() -> None:
    gradient = np.array([3e25, -4e25], np.float32)
    Clip(norm=1.0).apply(gradient, 5e25)
    np.testing.assert_allclose(gradient, [0.6, -0.8], rtol=1e-6)


@pytest.mark.parametrize(
    "fields",
    [{}, {"norm": 1.0, "value": 0.5}, {"norm": 0.0}, {"value": -1.0}, {"norm": math.inf}, {"norm": True}, {"max": 1.0}],
    ids=str,
)
def test_a_clip_is_exactly_one_positive_bound(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Clip.model_validate(fields)
