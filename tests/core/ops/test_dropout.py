"""Dropout keeps the mean, follows its generator or its mask, and rests in evaluation."""

import numpy as np
import pytest
from pydantic import ValidationError

from core.arrays import Array, batch_first, batch_last
from core.op import ShapeMismatch, Site
from core.ops.dropout import Dropout


def dropped(op: Dropout, x: Array, *, training: bool = True, seed: int = 0) -> tuple[Array, Array]:
    """The output of examples (n, …), and the gradient where each entry of dy is 1."""
    x = np.ascontiguousarray(batch_last(x))
    dx = np.full_like(x, np.nan)
    site = Site(
        x=(x,),
        y=np.zeros_like(x),
        dy=np.ones_like(x),
        dx=(dx,),
        params={},
        dparams={},
        training=training,
        generator=np.random.default_rng(seed),
    )
    for call in (*op.forward(site), *op.backward(site)):
        call()
    return batch_first(site.y), batch_first(dx)


def test_evaluation_passes_everything() -> None:
    x = np.arange(6.0).reshape(2, 3)
    y, dx = dropped(Dropout(p=0.9), x, training=False)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(dx, 1.0)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_each_entry_is_dropped_with_probability_p_and_the_mean_stays(p: float) -> None:
    count = 200_000
    y, _ = dropped(Dropout(p=p), np.ones((count, 1)))
    # Five standard deviations of a share of `count` draws.
    assert abs(np.mean(y == 0.0) - p) < 5 * np.sqrt(p * (1 - p) / count)
    np.testing.assert_allclose(y[y != 0.0], 1.0 / (1.0 - p), rtol=1e-15)


def test_the_gradient_passes_where_the_signal_did() -> None:
    y, dx = dropped(Dropout(p=0.5), np.ones((50, 4)))
    np.testing.assert_array_equal(dx, y)


def test_every_precision_drops_the_same_entries() -> None:
    long, _ = dropped(Dropout(p=0.3), np.ones((50, 4)))
    short, _ = dropped(Dropout(p=0.3), np.ones((50, 4), np.float32))
    np.testing.assert_array_equal(short == 0.0, long == 0.0)


def test_each_step_drops_other_entries() -> None:
    site = Site(
        x=(np.ones((50, 4)),),
        y=np.zeros((50, 4)),
        dy=None,
        dx=(None,),
        params={},
        dparams={},
        training=True,
        generator=np.random.default_rng(0),
    )
    calls = Dropout().forward(site)
    for call in calls:
        call()
    first = site.y.copy()
    for call in calls:
        call()
    assert not np.array_equal(site.y, first)


def test_a_given_mask_says_what_is_kept() -> None:
    y, dx = dropped(Dropout(p=0.75, mask=np.array([[1.0, 0.0], [0.0, 1.0]])), np.full((2, 2), 3.0))
    np.testing.assert_array_equal(y, [[12.0, 0.0], [0.0, 12.0]])
    np.testing.assert_array_equal(dx, [[4.0, 0.0], [0.0, 4.0]])


def test_a_mask_for_other_examples_is_refused() -> None:
    op = Dropout(mask=np.ones((2, 3)))
    with pytest.raises(ShapeMismatch, match=r"mask of shape \[2, 3\]"):
        op.output_shape([(4,)])
    with pytest.raises(ShapeMismatch, match="2 examples, and the batch has 5"):
        dropped(op, np.ones((5, 3)))


@pytest.mark.parametrize("fields", [{"p": 1.0}, {"p": -0.1}, {"p": True}, {"mask": [[0.5]]}, {"rate": 0.5}])
def test_what_is_no_probability_and_no_mask_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Dropout.model_validate(fields)
