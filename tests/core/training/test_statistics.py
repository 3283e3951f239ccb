"""What a run notices of its layers is right, and changes nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from core.arrays import Array
from core.graph.build import Surroundings, build
from core.graph.interpreter import Pass, interpret
from core.graph.layers import layers_of
from core.network import InputSpec, Network
from core.training.events import EpochEnded
from core.training.examples import Examples
from core.training.probe import identical_share
from core.training.run import Run
from core.training.spec import TrainingSpec
from core.training.statistics import EpochStatistics, Probe, StepStatistics, is_probed

Layers = list[dict[str, Any]]

PLAIN: Layers = [
    {"op": "dense", "units": 5, "id": "a"},
    {"op": "tanh", "id": "t"},
    {"op": "dense", "units": 3, "id": "b"},
]
NORMED: Layers = [
    {"op": "dense", "units": 8},
    {"op": "batch_norm"},
    {"op": "relu"},
    {"op": "dropout", "p": 0.3},
    {"op": "dense", "units": 3},
]
IMAGES: Layers = [
    {"op": "reshape", "shape": [1, 2, 2]},
    {"op": "conv2d", "filters": 3, "kernel": 2},
    {"op": "relu"},
    {"op": "flatten"},
    {"op": "dense", "units": 3},
]
STEPS: Layers = [{"op": "reshape", "shape": [2, 2]}, {"op": "gru", "units": 3}, {"op": "select"}, *PLAIN]


def examples(rows: int, seed: int = 0) -> Examples:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((rows, 4))
    return Examples({"x": x}, {"y": (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)})


def a_run(layers: Layers = PLAIN, *, rows: int = 50, validation: Examples | None = None, **spec: Any) -> Run:
    network = Network.model_validate(
        {"layers": layers, "losses": [{"kind": "cross_entropy"}], "penalties": [{"kind": "l2", "strength": 0.1}]}
    )
    graph = build(network, Surroundings(inputs={"x": InputSpec(shape=[4])}))
    settings = {"optimizer": {"kind": "sgd", "learning_rate": 0.1}, "batch_size": 7, "epochs": 4} | spec
    return Run(graph, TrainingSpec.model_validate(settings), examples(rows), validation)


def statistics_of(run: Run) -> list[EpochStatistics]:
    first = run.first_look()
    assert first is not None
    ended = [event.statistics for event in run.events() if isinstance(event, EpochEnded)]
    return [first, *(one for one in ended if one is not None)]


def steps_of(run: Run) -> list[StepStatistics]:
    return [step for one in statistics_of(run) for step in one.steps]


@pytest.mark.parametrize(
    ("layers", "spec"),
    [
        (PLAIN, {}),
        (NORMED, {"optimizer": {"kind": "adam", "learning_rate": 0.01}}),
        (NORMED, {"clip": {"norm": 0.1}, "dtype": "float64"}),
        (NORMED, {"clip": {"value": 0.01}, "optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9}}),
        (NORMED, {"batches_per_update": 3, "max_norm": 0.5}),
        (NORMED, {"early_stopping": {"patience": 1}, "epochs": 30}),
        (PLAIN, {"optimizer": {"kind": "lbfgs"}, "batch_size": "full", "dtype": "float64", "epochs": 25}),
        (IMAGES, {"optimizer": {"kind": "rprop"}, "batch_size": "full"}),
        (STEPS, {"optimizer": {"kind": "nadam"}, "shuffle": False}),
    ],
)
def test_looking_does_not_change_a_bit(layers: Layers, spec: dict[str, Any]) -> None:
    watched, alone = (a_run(layers, validation=examples(20, 1), statistics=on, **spec) for on in (True, False))
    watched.first_look()
    seen, unseen = list(watched.events()), list(alone.events())
    assert watched.checkpoint() == alone.checkpoint()
    assert watched.final_weights() == alone.final_weights()
    for ours, theirs in zip(seen, unseen, strict=True):
        if isinstance(ours, EpochEnded) and isinstance(theirs, EpochEnded):
            assert (ours.training, ours.validation, ours.gradient_norm) == (
                theirs.training, theirs.validation, theirs.gradient_norm,
            )  # fmt: skip
            assert ours.statistics is not None and theirs.statistics is None
    assert alone.first_look() is None


@pytest.mark.parametrize("clip", [None, {"norm": 0.1}])
@pytest.mark.parametrize("epoch", [1, 3])
def test_a_resumed_run_notices_what_the_undisturbed_one_does(epoch: int, clip: dict[str, float] | None) -> None:
    spec: dict[str, Any] = {"epochs": 6, "clip": clip, "dtype": "float64"}
    undisturbed, first, resumed = (a_run(NORMED, **spec) for _ in range(3))
    expected = statistics_of(undisturbed)
    events = first.events()
    for _ in range(epoch):
        next(events)
    resumed.restore(first.checkpoint())
    again = [event.statistics for event in resumed.events() if isinstance(event, EpochEnded)]
    assert again == expected[epoch + 1 :]
    assert resumed.checkpoint() == undisturbed.checkpoint()


def test_the_first_ten_steps_are_looked_at_and_then_every_twentieth() -> None:
    noted = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 40, 60, 80]
    assert [step.step for step in steps_of(a_run(epochs=11))] == noted
    assert [step.step for step in steps_of(a_run(epochs=95, batch_size="full"))] == noted


@pytest.mark.parametrize(
    ("epochs", "probed"),
    [
        (1, [0, 1]),
        (4, [0, 1, 2, 3, 4]),
        (19, [0, 1, 2, 3, 5, 7, 10, 14, 19]),
        (30, [0, 1, 2, 3, 5, 7, 10, 14, 19, 26, 30]),
    ],
)
def test_probes_come_ever_more_rarely_and_at_the_end(epochs: int, probed: list[int]) -> None:
    assert [one.epoch for one in statistics_of(a_run(epochs=epochs)) if one.probe is not None] == probed


def test_the_epoch_after_which_early_stopping_ends_is_probed() -> None:
    run = a_run(epochs=500, validation=examples(20, 1), early_stopping={"patience": 5}, dtype="float64")
    statistics = statistics_of(run)
    last = statistics[-1]
    assert last.epoch < 500 and not is_probed(last.epoch) and last.probe is not None
    assert [one.epoch for one in statistics] == list(range(last.epoch + 1))
    assert last.probe.loss == pytest.approx(passed(run, examples(50), training=False).loss(run.graph), rel=1e-12)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"dtype": "float32"},
        {"clip": {"norm": 0.05}},
        {"batches_per_update": 3},
        {"batches_per_update": 3, "clip": {"value": 0.01}},
    ],
)
@pytest.mark.parametrize("layers", [PLAIN, IMAGES, STEPS])
def test_norms_are_those_of_the_update(layers: Layers, spec: dict[str, Any]) -> None:
    """Each update is taken again by hand: gradient by the interpreter, penalty, clipping, descent."""
    told: dict[str, Any] = {"dtype": "float64", "shuffle": False, "epochs": 1, **spec}
    run = a_run(layers, rows=40, **told)
    tolerance = 1e-4 if told["dtype"] == "float32" else 1e-10
    together, graph, theta = run.spec.batches_per_update, run.graph, run.parameters.astype(np.float64)
    steps = steps_of(run)
    assert len(steps) == run.updates_per_epoch
    for number, step in enumerate(steps):
        starts = range(7 * together * number, min(7 * together * (number + 1), 40), 7)
        batches = [examples(40).take(np.arange(start, min(start + 7, 40))) for start in starts]
        passes = [interpret(graph, theta, one.inputs, one.targets) for one in batches]
        rows = sum(one.rows for one in batches)
        shares = [one.rows / rows for one in batches]
        gradient = np.sum([flat(run, one) * share for one, share in zip(passes, shares, strict=True)], axis=0)
        for piece in graph.layout:
            if not piece.is_bias:
                gradient[piece.start : piece.stop] += 0.1 * theta[piece.start : piece.stop]
        assert step.gradient_norms == pytest.approx(norms(run, gradient), rel=tolerance, abs=1e-12)
        assert step.weight_norms == pytest.approx(norms(run, theta), rel=tolerance)
        signals = [rms(passes[-1].gradients[layer.id]) for layer in layers_of(graph)]
        assert step.slope_rms == pytest.approx(signals, rel=tolerance)
        if run.spec.clip is not None:
            run.spec.clip.apply(gradient, float(np.linalg.norm(gradient)))
        assert step.update_norms == pytest.approx(norms(run, 0.1 * gradient), rel=10 * tolerance, abs=1e-8)
        assert (step.step, step.learning_rate) == (number, 0.1)
        theta = theta - 0.1 * gradient


def flat(run: Run, done: Pass) -> Array:
    views = done.parameter_gradients
    return np.concatenate([views[piece.node][piece.name].reshape(-1) for piece in run.graph.layout])


def norms(run: Run, vector: Array) -> list[float]:
    return [float(np.linalg.norm(vector[piece.start : piece.stop])) for piece in run.graph.layout]


def rms(array: Array) -> float:
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


def passed(run: Run, batch: Examples, *, training: bool) -> Pass:
    return interpret(run.graph, run.parameters.astype(np.float64), batch.inputs, batch.targets, training=training)


def test_a_signal_too_small_to_be_squared_in_float32_is_not_taken_for_none() -> None:
    layers: Layers = [
        {"op": "dense", "units": 4, "id": "a"},
        {"op": "dense", "units": 3, "id": "b", "params": {"W": [[1e-24, -1e-24, 0.0]] * 4, "b": [0.0] * 3}},
    ]
    step = steps_of(a_run(layers, epochs=1))[0]
    assert 1e-27 < step.slope_rms[0] < 1e-24
    assert step.slope_rms[1] > 1e-3
    assert 0 < step.weight_norms[2] < 1e-22


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", [PLAIN, NORMED, IMAGES, STEPS])
def test_a_probe_tells_what_the_interpreter_computes(layers: Layers, dtype: str) -> None:
    """On 256 rows of 300, spread evenly; in evaluation mode."""
    run = a_run(layers, rows=300, epochs=3, dtype=dtype)
    for one in statistics_of(run)[1:]:
        probe = one.probe
    assert probe is not None
    done = passed(run, examples(300).take(np.arange(256) * 300 // 256), training=False)
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    assert probe.loss == pytest.approx(done.loss(run.graph), rel=tolerance)
    assert [node.node for node in probe.nodes] == [node.id for node in run.graph.nodes]
    for node in probe.nodes:
        value = done.values[node.node]
        assert node.mean == pytest.approx(value.mean(), rel=tolerance, abs=tolerance)
        assert node.std == pytest.approx(value.std(), rel=tolerance)
        assert node.quantiles == pytest.approx(np.quantile(value, [0.05, 0.25, 0.5, 0.75, 0.95]), abs=10 * tolerance)
        assert node.slope_rms == pytest.approx(rms(done.gradients[node.node]), rel=10 * tolerance)
        assert node.non_finite == 0


def probe_of(layers: Layers, batch: Examples | None = None) -> Probe:
    network = Network.model_validate({"layers": layers, "losses": [{"kind": "cross_entropy"}]})
    graph = build(network, Surroundings(inputs={"x": InputSpec(shape=[4])}))
    look = Run(graph, TrainingSpec(dtype="float64"), batch or examples(30)).first_look()
    assert look is not None and look.probe is not None
    return look.probe


LAST: Layers = [{"op": "flatten"}, {"op": "dense", "units": 3}]


def dense(weights: Sequence[float], biases: Sequence[float]) -> dict[str, Any]:
    """Units that see the sum of the inputs through one weight each."""
    return {"op": "dense", "params": {"W": [list(weights)] * 4, "b": list(biases)}}


def test_units_that_are_above_zero_for_no_row_are_dead() -> None:
    hidden = dense([1.0, 1.0, 1.0, 0.0], [0.0, -100.0, 100.0, -1e-9])
    assert probe_of([hidden, {"op": "relu"}, *LAST]).nodes[1].dead == 0.5
    assert probe_of([hidden, {"op": "leaky_relu"}, *LAST]).nodes[1].dead is None
    assert probe_of([hidden, {"op": "leaky_relu", "slope": 0.0}, *LAST]).nodes[1].dead == 0.5


def test_a_channel_is_one_unit() -> None:
    """Of three filters one never answers; each has four positions in every row."""
    kernels = [[[[1.0]]], [[[1.0]]], [[[0.0]]]]
    conv = {"op": "conv2d", "params": {"W": kernels, "b": [0.0, 0.0, -1.0]}}
    probe = probe_of([{"op": "reshape", "shape": [1, 2, 2]}, conv, {"op": "relu"}, *LAST])
    assert probe.nodes[2].dead == pytest.approx(1 / 3)
    assert probe.nodes[1].identical == pytest.approx(1 / 3)


def test_units_of_a_sequence_lie_on_its_last_axis() -> None:
    each = {"op": "dense", "params": {"W": [[1.0, 2.0, 0.0]] * 2, "b": [0.0, 0.0, -1.0]}}
    probe = probe_of([{"op": "reshape", "shape": [2, 2]}, each, {"op": "relu"}, *LAST])
    assert probe.nodes[2].dead == pytest.approx(1 / 3)


def test_slopes_below_six_percent_of_the_steepest_are_saturated() -> None:
    zeros = Examples({"x": np.zeros((30, 4))}, examples(30).targets)
    for op, edge in (("sigmoid", 4.1690), ("tanh", 2.0845), ("hardtanh", 1.0), ("softsign", 3.0825)):
        hidden = dense([1.0] * 4, [edge - 1e-3, 1e-3 - edge, edge + 1e-3, -edge - 1e-3])
        assert probe_of([hidden, {"op": op}, *LAST], zeros).nodes[1].saturated == 0.5
    assert probe_of([dense([1.0] * 4, [100.0] * 4), {"op": "gelu"}, *LAST], zeros).nodes[1].saturated is None


def test_pairs_of_units_with_the_same_values_are_identical() -> None:
    """Three alike and two alike of six: 4 of 15 pairs; 0 and −0 are the same."""
    probe = probe_of([dense([1.0, 1.0, 1.0, 0.0, -0.0, 3.0], [2.0, 2.0, 2.0, 0.0, -0.0, 0.0]), {"op": "tanh"}, *LAST])
    assert probe.nodes[0].identical == pytest.approx(4 / 15)
    assert probe.nodes[1].identical is None
    assert probe.nodes[-1].identical == 0.0


def test_units_that_differ_in_a_late_row_are_not_identical() -> None:
    units = np.zeros((3, 300))
    units[:, -1] = 1.0, 2.0, 2.0
    assert identical_share(units) == pytest.approx(1 / 3)
    assert identical_share(np.array([[0.0, 1.0], [-0.0, 1.0]])) == 1.0


def test_entries_that_are_not_finite_are_counted_and_left_out() -> None:
    batch = examples(30)
    batch.inputs["x"][3] = 1000.0
    probe = probe_of([dense([1.0, 2.0], [0.0, 0.0]), {"op": "exp", "id": "e"}, *LAST], batch)
    node = probe.nodes[1]
    assert node.non_finite == 2
    assert np.isfinite([node.mean, node.std, *node.quantiles]).all() and node.mean > 0


def test_epochs_have_their_own_steps() -> None:
    statistics = statistics_of(a_run(epochs=6))
    assert [[step.step for step in one.steps] for one in statistics] == [
        [], [0, 1, 2, 3, 4, 5, 6, 7], [8, 9], [20], [], [], [40],
    ]  # fmt: skip
