"""What ops say of themselves beside their formulas: bounds, steepest slopes, whether they only move entries."""

import numpy as np
import pytest

from core.arrays import Array
from core.op import Op, Site
from core.ops import OPS
from core.pointwise import Pointwise

WIDE = np.concatenate([np.linspace(-40, 40, 4001), [-1e3, 1e3]])


def forward(op: Op, x: Array) -> Site:
    """The site of one pass over x (…, n)."""
    shape = x.shape[:-1]
    y = np.zeros((*op.output_shape([shape]), x.shape[-1]))
    params = {name: np.ones(spec.shape) for name, spec in op.parameter_shapes([shape]).items()}
    site = Site(x=(x,), y=y, dy=np.ones_like(y), dx=(np.zeros_like(x),), params=params, dparams={})
    site.dparams = {name: np.zeros_like(value) for name, value in params.items()}
    site.state = {name: np.full(spec.shape, spec.start) for name, spec in op.state_shapes([shape]).items()}
    for call in (*op.forward(site), *op.backward(site)):
        call()
    return site


BOUNDED = [name for name, kind in OPS.items() if kind.bounds != (None, None)]
ENTRYWISE = [name for name, kind in OPS.items() if issubclass(kind, Pointwise)]


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.filterwarnings("ignore:overflow")
def test_no_value_is_beyond_the_bounds_and_some_come_near(name: str) -> None:
    low, high = OPS[name].bounds
    values = forward(OPS[name].model_validate({}), np.stack([WIDE, -WIDE, WIDE / 7])).y
    if low is not None:
        assert low <= values.min() <= low + 0.03
    if high is not None:
        assert high - 0.03 <= values.max() <= high


@pytest.mark.parametrize("name", ENTRYWISE)
@pytest.mark.filterwarnings("ignore:overflow")
def test_an_op_is_bounded_on_both_sides_only_if_it_says_so(name: str) -> None:
    values = forward(OPS[name].model_validate({}), WIDE[None]).y
    low, high = OPS[name].bounds
    assert (low is not None) == (values.min() > -2.5 and not _dips(name))
    assert (high is not None) == (values.max() < 30)


def _dips(name: str) -> bool:
    """Those with a least value of their own that is no round number, such as −0.28 of silu, do not state it."""
    return OPS[name].bounds[0] is None and name in {"silu", "gelu", "mish", "hardswish", "elu", "celu", "selu"}


@pytest.mark.parametrize("name", [name for name, kind in OPS.items() if kind.only_moves])
def test_what_only_moves_entries_has_no_others(name: str) -> None:
    for op, (shape, *_) in OPS[name].examples():
        x = np.random.default_rng(0).normal(size=(*shape, 5))
        assert np.isin(forward(op, x).y, x).all()


@pytest.mark.parametrize("name", [name for name, kind in OPS.items() if kind.normalizes])
def test_what_normalizes_undoes_any_scale(name: str) -> None:
    for op, (shape, *_) in OPS[name].examples():
        x = np.random.default_rng(0).normal(size=(*shape, 64))
        outputs = []
        for scale in (1e2, 1e5):
            y = np.zeros_like(x)
            params = {key: np.full(spec.shape, spec.start or 0.0) for key, spec in op.parameter_shapes([shape]).items()}
            state = {key: np.full(spec.shape, spec.start) for key, spec in op.state_shapes([shape]).items()}
            site = Site(x=(x * scale,), y=y, dy=None, dx=(), params=params, dparams={}, state=state, training=True)
            for call in op.forward(site):
                call()
            outputs.append(y)
        assert outputs[0].std() == pytest.approx(outputs[1].std(), rel=0.1)
