"""What holds of every op: its gradient is right and can be differentiated, it overwrites nothing and keeps nothing."""

import json
import math
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike
from pydantic import TypeAdapter

from core.arrays import Array, Call, Shape, batch_first, batch_last
from core.op import Op, Site
from core.ops import OPS, AnyOp
from core.pointwise import Pointwise

ROWS = 4
STEP = 1e-30
"""Of the complex step: it takes no difference, so it can be so small that its square is nothing."""

Example = tuple[Op, list[Shape]]


def op_where(holds: Callable[[Op, list[Shape]], bool]) -> pytest.MarkDecorator:
    """Runs a test over those examples of all ops for which something holds."""
    numbered = ((f"{kind}-{index}", one) for kind, op in OPS.items() for index, one in enumerate(op.examples()))
    examples = [pytest.param(example, id=name) for name, example in numbered if holds(*example)]
    return pytest.mark.parametrize("example", examples)


KINDS = pytest.mark.parametrize("kind", OPS)
every_op = op_where(lambda op, shapes: True)
every_stateful_op = op_where(lambda op, shapes: bool(op.state_shapes(shapes)))
every_op_of_integers = op_where(lambda op, shapes: op.takes_integers)


class Bench:
    """One op with fresh arrays of one type, everything drawn from a fixed seed."""

    def __init__(
        self, example: Example, dtype: DTypeLike = np.float64, rows: int = ROWS, *, training: bool = True
    ) -> None:
        self.op, shapes = example
        self.training = training
        generator = np.random.default_rng(7)

        def draw(*shape: int) -> Array:
            return generator.normal(size=shape).astype(dtype)

        limit = self.op.index_limit()
        self.x = [
            draw(*shape, rows) if limit is None else generator.integers(0, limit, (*shape, rows)) for shape in shapes
        ]
        self.params = {name: draw(*spec.shape) for name, spec in self.op.parameter_shapes(shapes).items()}
        self.dy = draw(*self.op.output_shape(shapes), rows)
        self.state_shapes = self.op.state_shapes(shapes)

    def leaves(self) -> list[Array]:
        """Everything the output has a gradient by."""
        return [*(() if self.op.takes_integers else self.x), *self.params.values()]

    def site(self, y: Array | None = None) -> Site:
        """A site whose random numbers and state are the same each time."""
        return Site(
            x=tuple(self.x),
            y=np.zeros_like(self.dy) if y is None else y,
            dy=self.dy,
            dx=tuple(None if self.op.takes_integers else np.full(x.shape, np.nan, x.dtype) for x in self.x),
            params=self.params,
            dparams={name: np.full_like(param, np.nan) for name, param in self.params.items()},
            state={name: np.full(spec.shape, spec.start, self.dy.dtype) for name, spec in self.state_shapes.items()},
            training=self.training,
            generator=np.random.default_rng(3),
        )

    def output(self) -> complex:
        """Σ dy y, whose gradient is what backward writes."""
        site = self.site()
        run(self.op.forward(site))
        return complex(np.sum(site.y * self.dy))

    def gradients(self, site: Site | None = None) -> list[Array]:
        site = site or self.site()
        run(self.op.forward(site))
        run(self.op.backward(site))
        return [gradient for gradient in (*site.dx, *site.dparams.values()) if gradient is not None]


def run(calls: Sequence[Callable[[], object]]) -> None:
    for call in calls:
        call()


def derivatives(leaf: Array, measure: Callable[[], complex], *, by: complex) -> Array:
    """The change of `measure` with each entry of `leaf`: exact for an imaginary step, by differences for a real one."""
    result = np.zeros(leaf.shape)
    for index in np.ndindex(leaf.shape):
        before = leaf[index]
        leaf[index] = before + by
        ahead = measure()
        leaf[index] = before - by
        behind = measure()
        leaf[index] = before
        result[index] = ((ahead - behind) / (2 * by)).real
    return result


@every_op
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_the_gradient_is_the_complex_step_derivative(example: Example, training: bool) -> None:
    in_complex = Bench(example, np.complex128, training=training)
    for gradient, leaf in zip(Bench(example, training=training).gradients(), in_complex.leaves(), strict=True):
        expected = derivatives(leaf, in_complex.output, by=1j * STEP) * moves(example, leaf.shape)
        np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-13 * np.abs(expected).max(initial=0))


@every_op
def test_the_gradient_is_what_central_differences_approach(example: Example) -> None:
    bench = Bench(example)
    for gradient, leaf in zip(bench.gradients(), bench.leaves(), strict=True):
        expected = derivatives(leaf, bench.output, by=1e-6) * moves(example, leaf.shape)
        np.testing.assert_allclose(gradient, expected, rtol=1e-7, atol=1e-8)


@every_op
def test_the_backward_pass_can_itself_be_differentiated(example: Example) -> None:
    """A complex step through forward and backward gives second derivatives, to the digits central differences have."""
    in_complex, bench = Bench(example, np.complex128), Bench(example)
    for leaf_in_complex, leaf in zip(in_complex.leaves(), bench.leaves(), strict=True):
        exact = derivatives(leaf_in_complex, lambda: sum_of_squares(in_complex.gradients()), by=1j * STEP)
        approximate = derivatives(leaf, lambda: sum_of_squares(bench.gradients()), by=1e-6)
        np.testing.assert_allclose(approximate, exact, rtol=1e-6, atol=1e-7)


def moves(example: Example, shape: Shape) -> Array:
    """1 for every entry of a leaf that has a gradient, 0 in the row of a parameter that is kept from learning."""
    op, shapes = example
    which = np.ones(shape)
    for spec in op.parameter_shapes(shapes).values():
        if spec.shape == shape and spec.frozen is not None:
            which[spec.frozen] = 0.0
    return which


def sum_of_squares(gradients: Sequence[Array]) -> complex:
    return complex(sum(np.sum(gradient * gradient) for gradient in gradients))


@every_op
def test_single_precision_agrees_with_double(example: Example) -> None:
    single, double = Bench(example, np.float32), Bench(example)
    for array in (*double.leaves(), double.dy):
        array[...] = array.astype(np.float32)
    sites = single.site(), double.site()
    pairs = zip(single.gradients(sites[0]), double.gradients(sites[1]), strict=True)
    for short, long in [(sites[0].y, sites[1].y), *pairs]:
        assert short.dtype == np.float32
        assert np.abs(short - long).max() <= 5e-5 * np.abs(long).max()


@every_op
def test_what_is_read_is_not_written(example: Example) -> None:
    bench = Bench(example)
    read = [*bench.leaves(), bench.dy]
    before = [array.copy() for array in read]
    bench.gradients()
    for array, copy in zip(read, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@every_op
def test_the_same_calls_give_the_same_bits_again(example: Example) -> None:
    if example[0].is_random:
        pytest.skip("draws anew each time")
    bench = Bench(example)
    site = bench.site()
    calls = [*bench.op.forward(site), *bench.op.backward(site)]
    run(calls)
    results = [array for array in (site.y, *site.dx, *site.dparams.values()) if array is not None]
    first = [array.copy() for array in results]
    run(calls)
    for array, copy in zip(results, first, strict=True):
        np.testing.assert_array_equal(array, copy)


@every_op
def test_a_gradient_may_replace_the_incoming_one(example: Example) -> None:
    """The plan gives a node with one input one buffer for dx and dy where nothing else needs dy."""
    bench = Bench(example)
    if len(bench.x) != 1 or bench.x[0].shape != bench.dy.shape or bench.params:
        pytest.skip("its dx cannot lie where dy does")
    (expected,) = bench.gradients()
    site = bench.site()
    site.dy = bench.dy.copy()
    site.dx = (site.dy,)
    (replaced,) = bench.gradients(site)
    np.testing.assert_array_equal(replaced, expected)


@every_op
def test_a_gradient_nobody_asks_for_is_not_needed(example: Example) -> None:
    expected = Bench(example).gradients()
    for kept in range(len(expected)):
        bench = Bench(example)
        site = bench.site()
        count = 0 if example[0].takes_integers else len(site.dx)
        site.dx = tuple(dx if index == kept else None for index, dx in enumerate(site.dx))
        site.dparams = {
            name: dparam if index + count == kept else None for index, (name, dparam) in enumerate(site.dparams.items())
        }
        (only,) = bench.gradients(site)
        np.testing.assert_array_equal(only, expected[kept])


@every_op
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_running_a_plan_again_allocates_nothing(example: Example, dtype: DTypeLike) -> None:
    """NumPy's own passing buffers hold at most 8192 entries an operand, far fewer than a batch has here."""
    bench = Bench(example, dtype, rows=20_000)
    site = bench.site()
    calls = [*bench.op.forward(site), *bench.op.backward(site)]
    run(calls)
    most = min(site.y.nbytes, site.x[0].nbytes)
    # A thread that an earlier test has left may allocate meanwhile; what the calls themselves take is there every time.
    assert any(kept < 4096 and peak < most for kept, peak in (traced(calls) for _ in range(3)))


def traced(calls: Sequence[Call]) -> tuple[int, int]:
    """Bytes that 20 runs keep, and the most that they have at a time."""
    tracemalloc.start()
    try:
        run(calls)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(20):
            run(calls)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before, peak - before


@every_op
def test_inputs_may_lie_in_memory_in_any_order(example: Example) -> None:
    """Inputs of a network are views of arrays that have the batch first."""
    bench = Bench(example)
    site = bench.site()
    expected = bench.gradients(site)
    turned = Bench(example)
    turned.x = [batch_last(np.ascontiguousarray(batch_first(x))) for x in turned.x]
    site_turned = turned.site()
    for found, gradient in zip(turned.gradients(site_turned), expected, strict=True):
        np.testing.assert_allclose(found, gradient, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(site_turned.y, site.y, rtol=1e-12, atol=1e-14)


def state_after(bench: Bench, steps: int) -> dict[str, Array]:
    """What an op remembers after so many steps with the same batch, each forward and backward."""
    site = bench.site()
    calls = [*bench.op.forward(site), *bench.op.backward(site)]
    for _ in range(steps):
        run(calls)
    return dict(site.state)


@every_stateful_op
def test_evaluation_leaves_what_is_remembered(example: Example) -> None:
    bench = Bench(example, training=False)
    for name, after in state_after(bench, 2).items():
        np.testing.assert_array_equal(after, bench.site().state[name])


@every_stateful_op
def test_training_moves_what_is_remembered_the_same_way_from_the_same_start(example: Example) -> None:
    once, twice, again = (state_after(Bench(example), steps) for steps in (1, 2, 2))
    for name, start in Bench(example).site().state.items():
        assert not np.array_equal(once[name], start)
        assert not np.array_equal(twice[name], once[name])
        np.testing.assert_array_equal(twice[name], again[name])


@every_stateful_op
def test_what_is_remembered_never_falls_below_its_least(example: Example) -> None:
    bench = Bench(example, rows=1)
    bench.x = [np.zeros_like(x) for x in bench.x]
    for name, after in state_after(bench, 50).items():
        least = bench.state_shapes[name].least
        assert np.isfinite(after).all() and (least is None or (after >= least).all())


@every_stateful_op
def test_what_one_example_gives_in_evaluation_does_not_depend_on_the_others(example: Example) -> None:
    bench = Bench(example, training=False)
    site, alone = bench.site(), Bench(example, training=False)
    run(bench.op.forward(site))
    alone.x, alone.dy = [x[..., :1] for x in bench.x], bench.dy[..., :1]
    site_alone = alone.site()
    run(alone.op.forward(site_alone))
    np.testing.assert_allclose(site_alone.y, site.y[..., :1], rtol=1e-15)


@every_op_of_integers
def test_strange_integers_are_held_within_what_the_op_knows(example: Example) -> None:
    """They are refused where examples come in; where one comes through, no memory beyond the parameters is read."""
    limit = example[0].index_limit()
    assert limit is not None
    beyond, within = Bench(example), Bench(example)
    for bench, low, high in ((beyond, -(10**12), 10**12), (within, 0, limit - 1)):
        bench.x[0].flat[:2] = low, high
    for found, expected in zip(beyond.gradients(), within.gradients(), strict=True):
        np.testing.assert_array_equal(found, expected)


@every_op
def test_a_node_survives_json(example: Example) -> None:
    written = example[0].model_dump_json()
    adapter: TypeAdapter[Op] = TypeAdapter(AnyOp)
    read = adapter.validate_json(written)
    assert type(read) is type(example[0])
    assert read.model_dump_json() == written


@KINDS
def test_every_op_is_explained(kind: str) -> None:
    assert OPS[kind].explanation.endswith(".")
    assert OPS[kind].__doc__


POINTWISE = [kind for kind, op in OPS.items() if issubclass(op, Pointwise)]


@pytest.mark.parametrize("kind", POINTWISE)
def test_a_kink_reads_differently_on_its_two_sides(kind: str) -> None:
    for example in OPS[kind].examples():
        bench = Bench(example)
        assert isinstance(bench.op, Pointwise)
        for corner in bench.op.corners():
            below, above = (readings(bench, corner + side) for side in (-1e-9, 1e-9))
            assert not np.array_equal(below, above)


def readings(bench: Bench, x: float) -> Array:
    bench.x[0][...] = x
    return np.array([reading() for reading in bench.op.kinks(bench.site())])


def curve(op: Op, x: Array) -> tuple[Array, Array]:
    """f(x) and f'(x)."""
    site = Site(x=(x,), y=np.zeros_like(x), dy=np.ones_like(x), dx=(np.zeros_like(x),), params={}, dparams={})
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        run([*op.forward(site), *op.backward(site)])
    (slope,) = site.dx
    assert slope is not None
    return site.y, slope


@pytest.mark.parametrize("kind", POINTWISE)
def test_slopes_jump_at_the_corners_and_nowhere_else(kind: str) -> None:
    for op, _ in OPS[kind].examples():
        assert isinstance(op, Pointwise)
        for corner in {*op.corners(), 0.0, 1.0, -1.0, 3.0, -3.0, 6.0}:
            _, (below, above) = curve(op, np.array([corner - 1e-9, corner + 1e-9]))
            assert (abs(above - below) > 1e-2) == (corner in op.corners()), corner


@pytest.mark.parametrize("kind", POINTWISE)
def test_the_complex_step_is_right_at_zero_too(kind: str) -> None:
    """There |x| has no derivative, and the parts of a smooth curve that are made of it must agree on a branch."""
    for op, _ in OPS[kind].examples():
        assert isinstance(op, Pointwise)
        if 0.0 in op.corners():
            continue
        _, (slope,) = curve(op, np.zeros(1))
        value, _ = curve(op, np.full(1, 1j * STEP))
        np.testing.assert_allclose(value.imag / STEP, slope, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("kind", [kind for kind in POINTWISE if kind not in {"exp", "square"}])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_finite_number_overflows_an_activation(kind: str, dtype: type[np.floating]) -> None:
    """Nor does it divide by zero; `exp` and `square` truly are infinite there."""
    limits = np.finfo(dtype)
    sizes = np.array(
        [0.0, limits.smallest_subnormal, limits.tiny, 1e-9, 1.0, 40.0, 90.0, 720.0, 1e6, 1e30, limits.max / 2]
    )
    x = np.concatenate([sizes, -sizes]).astype(dtype)
    for op, _ in OPS[kind].examples():
        for result in curve(op, x):
            assert np.isfinite(result).all()


@pytest.mark.parametrize("kind", POINTWISE)
def test_a_nan_is_passed_on(kind: str) -> None:
    """A run that has diverged must not look healthy again behind an activation."""
    for op, _ in OPS[kind].examples():
        x = np.array([np.nan])
        site = Site(x=(x,), y=np.zeros(1), dy=x.copy(), dx=(np.zeros(1),), params={}, dparams={})
        with np.errstate(invalid="ignore"):
            run([*op.forward(site), *op.backward(site)])
        assert np.isnan(site.y).all()
        assert np.isnan(np.asarray(site.dx)).all()


REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "pointwise.json").read_text())["activations"]
NAMED = {
    "leaky_relu_0.01": OPS["leaky_relu"].model_validate({"slope": 0.01}),
    "elu_1": OPS["elu"].model_validate({"alpha": 1.0}),
    "gelu_tanh": OPS["gelu"].model_validate({"approximate": "tanh"}),
}


@pytest.mark.parametrize("activation", [pytest.param(entry, id=entry["name"]) for entry in REFERENCE])
def test_values_and_slopes_have_all_their_digits_in_the_tails_too(activation: dict[str, Any]) -> None:
    """Relative to each number itself, which is more than the reference asks: no slope rounds to 0 before it is 0."""
    name = activation["name"]
    op = NAMED[name] if name in NAMED else OPS[name].model_validate({})
    x, *expected = np.array(activation["rows"]).T
    for result, numbers in zip(curve(op, x.copy()), expected, strict=True):
        # The 60 digits of the reference end at 1e-60 of 1, and a tanh has no more below that.
        np.testing.assert_allclose(result, numbers, rtol=1e-12, atol=1e-250)


def test_gelu_is_as_exact_as_the_error_function_of_the_c_library() -> None:
    x = np.linspace(-37.0, 12.0, 2001)
    value, _ = curve(OPS["gelu"].model_validate({}), x)
    expected = [0.5 * point * math.erfc(-point / math.sqrt(2.0)) for point in x]
    # 5e-13: far below 0 the C library's argument, a rounded x/√2, is the less exact one.
    np.testing.assert_allclose(value, expected, rtol=5e-13)


@pytest.mark.parametrize("name", sorted(OPS))
def test_an_activation_that_saturates_knows_its_steepest_slope(name: str) -> None:
    """And what does not say so is not flat at both ends around one steep place."""
    op = OPS[name].examples()[0][0]
    if not isinstance(op, Pointwise):
        assert op.steepest is None
        return
    x = np.linspace(-60.0, 60.0, 120_001)[None]
    dx = np.zeros_like(x)
    site = Site(x=(x,), y=np.zeros_like(x), dy=np.ones_like(x), dx=(dx,), params={}, dparams={})
    with np.errstate(over="ignore", invalid="ignore"):
        for call in (*op.forward(site), *op.backward(site)):
            call()
    largest = dx.max()
    squeezes = dx.min() >= 0 and dx[0, 0] < 0.01 * largest > dx[0, -1] and dx[0, 60_000] == largest
    assert op.steepest == (pytest.approx(largest, rel=1e-12) if squeezes else None)


@pytest.mark.parametrize("name", sorted(OPS))
def test_what_dies_passes_nothing_on_where_it_is_not_above_zero(name: str) -> None:
    op = OPS[name].examples()[0][0]
    if not isinstance(op, Pointwise):
        assert not op.dies
        return
    x = -np.linspace(0.0, 30.0, 301)[None]
    dx, y = np.zeros_like(x), np.zeros_like(x)
    site = Site(x=(x,), y=y, dy=np.ones_like(x), dx=(dx,), params={}, dparams={})
    for call in (*op.forward(site), *op.backward(site)):
        call()
    assert op.dies == (op.rectifies and not dx[y <= 0].any())


def differences(example: Example) -> tuple[Array, Array]:
    """y − y₀ between two random inputs in evaluation, and what the slope at the second makes of x − x₀."""
    bench = Bench(example, training=False)
    first = bench.site()
    run(bench.op.forward(first))
    before, y = [x.copy() for x in bench.x], first.y.copy()
    for index, x in enumerate(bench.x):
        bench.x[index] = x + 1.0 + np.arange(x.size).reshape(x.shape) % 3
    linear = np.zeros_like(y)
    for place in np.ndindex(y.shape):
        bench.dy = np.zeros_like(y)
        bench.dy[place] = 1.0
        site = bench.site()
        bench.gradients(site)
        pairs = zip(site.dx, bench.x, before, strict=True)
        linear[place] = sum(float(np.sum(dx * (x - x0))) for dx, x, x0 in pairs if dx is not None)
    return site.y - y, linear


def is_affine(example: Example) -> bool:
    change, linear = differences(example)
    return np.allclose(change, linear, rtol=1e-9, atol=1e-9)


@KINDS
def test_an_op_is_affine_just_when_it_says_so(kind: str) -> None:
    """Where it is, its slope tells differences of any size; a product of one factor alone is so as well."""
    op = OPS[kind]
    if not op.takes_integers:
        assert all(map(is_affine, op.examples())) == (op.effect == "affine")


@op_where(lambda op, shapes: op.effect == "entrywise")
def test_an_op_that_acts_on_each_entry_alone_reads_no_other(example: Example) -> None:
    bench = Bench(example, training=False)
    before = bench.site()
    run(bench.op.forward(before))
    bench.x[0] = bench.x[0].copy()
    bench.x[0].reshape(-1)[1] += 0.7
    after = bench.site()
    run(bench.op.forward(after))
    assert set(np.flatnonzero(before.y != after.y).tolist()) <= {1}
