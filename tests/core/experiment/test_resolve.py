"""What a description leaves open is decided, said, and decided the same way again; what is wrong is named at once."""

from typing import Any

import numpy as np
import pytest

from core.data.samples import draw_sample
from core.data.table import CategoryColumn, NumberColumn, Table
from core.errors import Invalid
from core.experiment import Experiment, ExperimentSpec, resolve
from core.graph.evaluator import Evaluator
from core.prediction import predict
from core.training.events import Ended, EpochEnded

IRIS = draw_sample("iris")
CARS = draw_sample("cars")


def experiment(table: Table, **description: Any) -> Experiment:
    return resolve(ExperimentSpec.model_validate(description), table)


def mistakes(table: Table, **description: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as error:
        experiment(table, **description)
    return {problem.pointer: problem.detail for problem in error.value.problems}


def test_only_a_target_is_needed() -> None:
    chosen = experiment(IRIS, target="species").spec
    assert chosen.loss is not None and chosen.loss.kind == "cross_entropy"
    assert chosen.network is not None and chosen.optimizer is not None and chosen.epochs is not None
    assert chosen.early_stopping is not None and chosen.early_stopping.restore_best


def test_numbers_are_learned_by_squared_error() -> None:
    chosen = experiment(CARS, target="mpg")
    assert chosen.spec.loss is not None and chosen.spec.loss.kind == "mse"
    assert chosen.preparation.targets["y"].encoding == "number"


@pytest.mark.parametrize(("share", "curve"), [(0.2, "validation.loss"), (0.0, "training.loss")])
def test_the_curve_a_schedule_watches_is_written_out(share: float, curve: str) -> None:
    for schedule in ({"kind": "reduce_on_plateau"}, {"kind": "warmup", "then": {"kind": "reduce_on_plateau"}}):
        found = experiment(IRIS, target="species", schedule=schedule, split={"validation": share}, epochs=5)
        assert found.spec.schedule is not None and found.spec.schedule.watches == curve


def test_a_description_written_out_resolves_to_itself() -> None:
    first = experiment(
        IRIS, target="species", schedule={"kind": "cosine"}, epochs=7, penalties=[{"kind": "l2", "strength": 0.1}]
    )
    again = resolve(ExperimentSpec.model_validate_json(first.spec.model_dump_json()), IRIS)
    assert again.spec == first.spec
    assert again.preparation == first.preparation
    np.testing.assert_array_equal(again.training.inputs["x"], first.training.inputs["x"])
    assert again.run().checkpoint() == first.run().checkpoint()


def test_whoever_says_how_long_gets_that_and_the_last_weights() -> None:
    run = experiment(IRIS, target="species", epochs=3).run()
    *_, last, end = run.events()
    assert isinstance(last, EpochEnded) and last.epoch == 3
    assert isinstance(end, Ended) and end.reason == "max_epochs"
    assert run.final_weights() == run.checkpoint().weights


def test_the_last_dense_takes_its_width_from_the_classes() -> None:
    graph = experiment(IRIS, target="species", network={"layers": [{"op": "dense"}]}).graph
    assert graph.shape_of(graph.output) == (3,)


def test_the_features_feed_the_only_input_whatever_its_name() -> None:
    nodes = [{"id": "o", "op": "dense", "inputs": ["flower"]}]
    assert list(experiment(IRIS, target="species", network={"nodes": nodes}).training.inputs) == ["flower"]


def test_a_network_may_bring_its_own_losses_and_then_the_job_may_not() -> None:
    network = {
        "layers": [{"op": "dense"}],
        "losses": [{"kind": "cross_entropy", "target": "t", "label_smoothing": 0.1}],
    }
    own = experiment(IRIS, target="species", network=network)
    assert own.spec.loss is None and list(own.training.targets) == ["t"]
    assert "/loss" in mistakes(IRIS, target="species", network=network, loss={"kind": "cross_entropy"})


@pytest.mark.parametrize(
    ("description", "pointer"),
    [
        ({"target": "specie"}, "/target"),
        ({"target": ["species", "nothing"]}, "/target/1"),
        ({"target": "species", "features": ["sepal length", "species"]}, "/features/1"),
        ({"target": "species", "loss": {"kind": "mse"}}, "/target"),
        ({"target": "species", "loss": {"kind": "bce_with_logits"}}, "/target"),
        ({"target": "species", "network": {"layers": [{"op": "dense", "units": 5}]}}, "/network"),
        (
            {"target": "species", "network": {"nodes": [{"id": "a", "op": "dense", "inputs": ["a"]}]}},
            "/network/nodes/0/inputs",
        ),
        ({"target": "species", "split": {"validation": 0.6, "test": 0.6}}, "/split/validation"),
        ({"target": "species", "early_stopping": {"monitor": "validation.rmse"}}, "/early_stopping/monitor"),
        (
            {"target": "species", "schedule": {"kind": "reduce_on_plateau", "monitor": "training.rmse"}},
            "/schedule/monitor",
        ),
        (
            {
                "target": "species",
                "schedule": {"kind": "warmup", "then": {"kind": "reduce_on_plateau", "monitor": "validation.loss"}},
                "split": {"validation": 0},
            },
            "/schedule/then/monitor",
        ),
        (
            {"target": "species", "split": {"validation": 0}, "early_stopping": {"patience": 2}},
            "/early_stopping/monitor",
        ),
        (
            {"target": "species", "penalties": [{"kind": "l2", "strength": 1, "params": ["nobody.W"]}]},
            "/penalties/0/params/0",
        ),
        ({"target": "species", "loss": {"kind": "cross_entropy", "sample_weight": "nothing"}}, "/loss/sample_weight"),
        (
            {"target": "species", "network": {"layers": [{"op": "dense", "units": 10**9}, {"op": "dense"}]}},
            "/network/layers/0",
        ),
    ],
)
def test_a_mistake_is_named_where_it_stands(description: dict[str, Any], pointer: str) -> None:
    found = mistakes(IRIS.take(np.arange(IRIS.rows)), **description)
    assert pointer in found or any(place.startswith(pointer) for place in found), found


def test_a_target_of_one_class_is_refused() -> None:
    table = Table((NumberColumn("x", np.arange(10.0)), CategoryColumn("y", np.zeros(10, np.int32), ("a",))))
    assert "/target" in mistakes(table, target="y")


def test_rows_without_a_target_are_left_out_and_said_so() -> None:
    values = np.arange(20.0)
    values[3] = np.nan
    table = Table((NumberColumn("x", np.arange(20.0)), NumberColumn("y", values)))
    found = experiment(table, target="y")
    assert 3 not in np.concatenate(found.rows)
    assert any("1 row" in note for note in found.notes)


def test_preparation_learns_nothing_from_rows_it_is_judged_on() -> None:
    """Ten times larger validation rows leave the fitted means as they are."""
    found = experiment(CARS, target="mpg")
    scaled = tuple(
        NumberColumn(c.name, np.where(np.isin(np.arange(CARS.rows), found.rows.validation), c.values * 10, c.values))
        if isinstance(c, NumberColumn)
        else c
        for c in CARS.columns
    )
    assert experiment(Table(scaled), target="mpg").preparation == found.preparation


def test_balanced_class_weights_give_every_class_the_same_say() -> None:
    found = experiment(
        draw_sample("penguins"), target="species", loss={"kind": "cross_entropy", "class_weight": "balanced"}
    )
    (loss,) = found.graph.losses
    counts = np.bincount(found.training.targets["y"])
    weights = np.array(loss.class_weight)  # type: ignore[attr-defined]  # a cross entropy
    np.testing.assert_allclose(weights * counts, np.mean(weights * counts))
    assert found.spec.loss is not None and found.spec.loss.class_weight == "balanced"  # type: ignore[attr-defined]  # likewise


def test_another_data_set_can_validate() -> None:
    spec = ExperimentSpec.model_validate({"target": "species", "split": {"validation_dataset": "ds_other"}})
    found = resolve(spec, IRIS, validation_table=IRIS.take(np.arange(7)))
    assert found.training.rows == 150 and found.validation is not None and found.validation.rows == 7


def test_numbers_beyond_the_precision_of_the_run_are_refused() -> None:
    table = Table((NumberColumn("x", np.linspace(0, 1e300, 20)), NumberColumn("y", np.arange(20.0))))
    assert "/features" in mistakes(table, target="y", preparation="none")
    assert experiment(table, target="y", preparation="none", dtype="float64").training.rows == 16
    assert experiment(table, target="y").training.rows == 16


@pytest.mark.parametrize("kind", ["bce", "bce_with_logits"])
def test_accuracy_of_two_classes_asks_for_even_odds_in_the_units_of_the_loss(kind: str) -> None:
    """Probabilities are even at 0.5, logits at 0: outputs on the side of the second class are all called so."""
    layers = [{"op": "dense", "init": "zeros"}, *([{"op": "sigmoid"}] if kind == "bce" else [])]
    moons = draw_sample("moons", rows=100)
    found = experiment(moons, target="class", loss={"kind": kind}, network={"layers": layers}, epochs=30)
    *_, last, _ = found.run().events()
    assert isinstance(last, EpochEnded) and last.validation["accuracy"] > 0.7


def test_only_losses_of_residuals_standardize_their_target() -> None:
    for kind, deviation in (("huber", None), ("hinge", 1.0)):
        target = experiment(CARS, target="mpg", loss={"kind": kind}).preparation.targets["y"]
        assert (target.scales[0].deviation == deviation) is (deviation is not None)  # type: ignore[union-attr]


NORMALIZED: dict[str, Any] = {
    "layers": [{"op": "dense", "units": 4}, {"op": "batch_norm", "id": "bn"}, {"op": "dense"}]
}


def test_batches_of_one_example_are_refused_where_a_node_compares_examples() -> None:
    found = mistakes(IRIS, target="species", network=NORMALIZED, batch_size=1)
    assert found == {"/batch_size": "'bn' (batch_norm) learns nothing from batches of 1: it needs at least 2"}
    assert experiment(IRIS, target="species", network=NORMALIZED, batch_size=2).spec.batch_size == 2
    assert experiment(IRIS, target="species", batch_size=1).spec.batch_size == 1


def a_table_of_words(largest: float = 4.0) -> Table:
    """Two columns of word numbers up to 4; the target says whether they are alike."""
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 5, (2, 60)).astype(np.float64)
    first[17] = largest
    alike = (first == second).astype(np.int32)
    return Table((NumberColumn("a", first), NumberColumn("b", second), CategoryColumn("y", alike, ("no", "yes"))))


WORDS: dict[str, Any] = {
    "layers": [{"op": "embedding", "vocabulary": 5, "dim": 3}, {"op": "flatten"}, {"op": "dense", "units": 2}]
}


def test_columns_of_whole_numbers_feed_an_embedding() -> None:
    found = experiment(a_table_of_words(), target="y", network=WORDS, epochs=2)
    assert found.graph.inputs["x"].dtype == "int"
    *_, end = found.run().events()
    assert isinstance(end, Ended) and end.reason == "max_epochs"


def test_a_number_beyond_the_vocabulary_is_refused_by_its_row() -> None:
    detail = mistakes(a_table_of_words(5.0), target="y", network=WORDS)
    assert detail == {"/features": "row 17 holds 5, and 'x' takes whole numbers from 0 to 4"}


@pytest.mark.parametrize("strange", [-1.0, 2.5, 1e300])
def test_what_is_no_whole_number_from_0_is_refused_by_row_and_column(strange: float) -> None:
    detail = mistakes(a_table_of_words(strange), target="y", network=WORDS)
    assert detail["/features/0"].startswith(f"row 17 of column 'a' is {strange:.15g}")


def noisy_lines(rows: int = 400) -> Table:
    """y = 3x + 50 with a deviation of 1 where x < 0 and of 4 elsewhere."""
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, rows)
    y = 50 + 3 * x + generator.normal(size=rows) * np.where(x < 0, 1.0, 4.0)
    return Table((NumberColumn("x", x), NumberColumn("y", y), NumberColumn("z", -y)))


@pytest.mark.parametrize(("target", "outputs"), [("y", 2), (["y", "z"], 4)])
def test_the_last_dense_has_room_for_means_and_log_variances(target: Any, outputs: int) -> None:
    found = experiment(noisy_lines(), target=target, features=["x"], loss={"kind": "gaussian_nll"})
    assert found.graph.shape_of(found.graph.output) == (outputs,)
    too_few = {"layers": [{"op": "dense", "units": outputs + 2}]}
    mistake = mistakes(noisy_lines(), target=target, features=["x"], loss={"kind": "gaussian_nll"}, network=too_few)
    assert f"give it {outputs}" in mistake["/network"]


def test_a_gaussian_likelihood_learns_how_far_the_numbers_scatter() -> None:
    found = experiment(
        noisy_lines(), target="y", features=["x"], loss={"kind": "gaussian_nll"}, epochs=60,
        optimizer={"kind": "adam", "learning_rate": 0.01},
    )  # fmt: skip
    run = found.run()
    *_, last, _ = run.events()
    assert isinstance(last, EpochEnded) and 2.0 < last.validation["rmse"] < 4.0
    inputs = found.preparation.input_arrays(Table((NumberColumn("x", np.array([-0.5, 0.5])),)))
    outputs = Evaluator(found.graph, run.parameters).outputs({"x": inputs["x"].astype(np.float32)})
    low, high = predict(found.graph.judge_of("y"), found.preparation.targets["y"], outputs).deviations or [0.0, 0.0]
    assert isinstance(low, float) and isinstance(high, float)
    assert 0.7 < low < 1.4 and 3.0 < high < 5.5


def test_counts_are_learned_as_rates_and_judged_as_counts() -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, 600)
    table = Table((NumberColumn("x", x), NumberColumn("y", generator.poisson(np.exp(1 + x)).astype(np.float64))))
    found = experiment(
        table, target="y", loss={"kind": "poisson_nll"}, epochs=60, optimizer={"kind": "adam", "learning_rate": 0.01}
    )
    *_, last, _ = found.run().events()
    assert isinstance(last, EpochEnded)
    counts = table.column("y")
    assert isinstance(counts, NumberColumn)
    assert last.validation["rmse"] < 0.95 * counts.values[found.rows.validation].std()


def test_counts_below_zero_are_refused() -> None:
    table = Table((NumberColumn("x", np.arange(20.0)), NumberColumn("y", np.arange(-1.0, 19.0))))
    assert "from 0" in mistakes(table, target="y", loss={"kind": "poisson_nll"})["/target"]
    network = {"layers": [{"op": "dense"}], "losses": [{"kind": "poisson_nll"}]}
    assert "from 0" in mistakes(table, target="y", network=network)["/target"]


def test_a_margin_between_classes_can_be_learned() -> None:
    found = experiment(IRIS, target="species", loss={"kind": "multi_margin"}, epochs=60)
    *_, last, _ = found.run().events()
    assert isinstance(last, EpochEnded) and last.validation["accuracy"] > 0.9
    assert found.graph.shape_of(found.graph.output) == (3,)


def test_directions_are_learned_from_the_default_start_at_zero() -> None:
    generator = np.random.default_rng(0)
    angle = generator.uniform(-1, 1, 300)
    names = {"x": angle, "u": 7 * np.cos(angle), "v": 7 * np.sin(angle)}
    table = Table(tuple(NumberColumn(name, values) for name, values in names.items()))
    found = experiment(table, target=["u", "v"], loss={"kind": "cosine"}, epochs=30)
    *_, last, _ = found.run().events()
    assert isinstance(last, EpochEnded) and last.validation["loss"] < 0.01
    assert list(last.validation) == ["loss"]


def test_a_direction_needs_two_columns() -> None:
    assert "two outputs" in mistakes(CARS, target="mpg", loss={"kind": "cosine"})["/loss"]


def test_class_weights_can_be_balanced_for_log_probabilities_too() -> None:
    loss = {"kind": "nll", "class_weight": "balanced"}
    layers = [{"op": "dense"}, {"op": "log_softmax"}]
    found = experiment(IRIS, target="species", loss=loss, network={"layers": layers}, epochs=1)
    assert isinstance(next(iter(found.run().events())), EpochEnded)


def test_a_range_test_does_not_look_at_layers() -> None:
    """Its points are compared by their losses alone; a probe would only take memory."""
    found = experiment(noisy_lines(), target="y", learning_rate_range={"steps": 10})
    assert found.range_test()._run.first_look() is None
    assert found.run().first_look() is not None
