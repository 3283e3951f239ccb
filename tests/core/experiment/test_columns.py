"""Several inputs, several targets, and inputs and targets with a shape: which columns go where, and what cannot."""

from typing import Any

import numpy as np
import pytest

from core.data.choice import choose
from core.data.preparation import Preparation, TargetPlan
from core.data.table import CategoryColumn, Group, NumberColumn, Table
from core.errors import Invalid
from core.experiment import Experiment, ExperimentSpec, resolve, split_of
from core.experiment.columns import channel_axis, input_specs, plan_inputs
from core.network import InputSpec
from core.ops import OPS
from core.training.events import EpochEnded

ROWS = 40
MLP = [{"op": "flatten"}, {"op": "dense", "units": 4}, {"op": "tanh"}, {"op": "dense"}]


def a_table() -> Table:
    """Columns a, b, and the pixels of `image`; a class, a number and two numbers to learn."""
    generator = np.random.default_rng(0)
    numbers = {name: generator.normal(size=ROWS) for name in ("a", "b", *(f"p{at}" for at in range(6)))}
    numbers["price"] = numbers["a"] * 100 + 1000
    numbers["size"] = numbers["b"] * 3
    numbers["id"] = (np.arange(ROWS) % 5).astype(np.float64)
    kind = CategoryColumn("kind", (numbers["a"] > 0).astype(np.int32), ("no", "yes"))
    pixels = tuple(f"p{at}" for at in range(6))
    columns = [NumberColumn(name, values) for name, values in numbers.items()]
    return Table((*columns, kind), (Group("image", pixels, (1, 2, 3)),))


TWO_INPUTS: dict[str, Any] = {
    "inputs": {"x": {"shape": [2]}, "picture": {"shape": [1, 2, 3]}},
    "nodes": [
        {"id": "flat", "op": "flatten", "inputs": ["picture"]},
        {"id": "both", "op": "concat", "inputs": ["x", "flat"]},
        {"id": "o", "op": "dense", "inputs": ["both"]},
    ],
}
TWO_TARGETS: dict[str, Any] = {
    "nodes": [
        {"id": "h", "op": "dense", "inputs": ["x"], "units": 5},
        {"id": "c", "op": "dense", "inputs": ["h"]},
        {"id": "r", "op": "dense", "inputs": ["h"]},
    ],
    "losses": [
        {"kind": "cross_entropy", "input": "c", "target": "t"},
        {"kind": "mse", "input": "r", "target": "q", "weight": 0.5},
    ],
}


def experiment(**description: Any) -> Experiment:
    return resolve(ExperimentSpec.model_validate({"dtype": "float64", **description}), a_table())


def mistakes(**description: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as error:
        experiment(**description)
    return {problem.pointer: problem.detail for problem in error.value.problems}


def column(name: str) -> Any:
    found = a_table().column(name)
    assert isinstance(found, NumberColumn)
    return found.values


def test_every_input_is_fed_by_the_columns_named_for_it_in_its_shape() -> None:
    found = experiment(
        target="price", network=TWO_INPUTS, features={"picture": ["image"], "x": ["b", "a"]}, preparation="none"
    )
    rows = found.rows.training
    np.testing.assert_array_equal(found.training.inputs["x"], np.stack([column("b"), column("a")], axis=1)[rows])
    pixels = np.stack([column(f"p{at}") for at in range(6)], axis=1)[rows]
    np.testing.assert_array_equal(found.training.inputs["picture"], pixels.reshape(-1, 1, 2, 3))


def test_a_network_of_two_inputs_learns_from_both() -> None:
    features = {"picture": ["image"], "x": ["b", "a"]}
    found = experiment(
        target="price",
        network=TWO_INPUTS,
        features=features,
        epochs=300,
        optimizer={"kind": "adam", "learning_rate": 0.02},
    )
    *_, last, _ = found.run().events()
    assert isinstance(last, EpochEnded) and last.training["loss"] < 0.01


def test_a_column_may_feed_two_inputs() -> None:
    network = {
        "inputs": {"x": {"shape": [1]}, "z": {"shape": [1]}},
        "nodes": [{"id": "m", "op": "mul", "inputs": ["x", "z"]}, {"id": "o", "op": "dense", "inputs": ["m"]}],
    }
    found = experiment(target="price", network=network, features={"x": ["a"], "z": ["a"]})
    np.testing.assert_array_equal(found.training.inputs["x"], found.training.inputs["z"])


def test_a_group_gives_its_shape_to_an_input_that_nobody_declares() -> None:
    found = experiment(target="price", network={"layers": MLP}, features=["image"])
    assert found.training.inputs["x"].shape[1:] == (1, 2, 3)
    assert found.spec.features == ["image"]
    again = resolve(ExperimentSpec.model_validate_json(found.spec.model_dump_json()), a_table())
    assert again.preparation == found.preparation


@pytest.mark.parametrize("target", ["image", ["image"], {"y": "image"}])
def test_a_group_may_be_the_target(target: Any) -> None:
    found = experiment(target=target, features=["a", "b"], network={"layers": [{"op": "dense"}]})
    assert found.graph.shape_of(found.graph.output) == (6,)
    assert found.preparation.targets["y"].columns == ("p0", "p1", "p2", "p3", "p4", "p5")
    assert {"/features/1"} == mistakes(target=target, features=["a", "image"]).keys()


def test_a_group_among_other_columns_is_just_its_columns() -> None:
    found = experiment(target="price", network={"layers": MLP}, features=["a", "image"])
    assert found.training.inputs["x"].shape[1:] == (7,)
    assert experiment(target="price", features=["image"]).training.inputs["x"].shape[1:] == (6,)


def test_the_input_of_layers_may_be_given_a_name() -> None:
    found = experiment(target="price", network={"layers": MLP}, features={"picture": ["image"]})
    assert {name: array.shape[1:] for name, array in found.training.inputs.items()} == {"picture": (1, 2, 3)}


def test_an_input_of_indices_is_fed_integers_in_its_shape() -> None:
    network = {"inputs": {"x": {"shape": [2, 1], "dtype": "int"}}, "layers": [{"op": "dense"}]}
    spec = ExperimentSpec.model_validate({"target": "price", "network": network, "features": ["id", "id2"]})
    table = Table((*a_table().columns, NumberColumn("id2", column("id") + 5)))
    fed = plan_inputs(spec, table, ["price"], [])
    target = {"y": TargetPlan(choose(table, "price", "/target"), "number")}
    array = Preparation.fit(table, np.arange(ROWS), fed.plans, target).input_arrays(table)["x"]
    assert array.dtype == np.int64
    assert array[7].tolist() == [2, 7]
    assert input_specs(fed.plans, {"x": 2})["x"] == InputSpec(shape=[2, 1], dtype="int")


def test_an_input_of_indices_is_refused_what_is_no_index() -> None:
    network = {"inputs": {"x": {"shape": [2], "dtype": "int"}}, "layers": [{"op": "dense"}]}
    assert mistakes(target="price", network=network, features=["id", "a"]).keys() == {"/features/1"}


@pytest.mark.parametrize(
    ("description", "pointers"),
    [
        ({"features": ["a", "b"]}, {"/features"}),
        ({}, {"/features"}),
        ({"features": {"x": ["a", "b"]}}, {"/features/picture"}),
        ({"features": {"x": ["a", "b"], "picture": ["image"], "z": ["a"]}}, {"/features/z"}),
        ({"features": {"x": ["a", "nothing"], "picture": ["imag"]}}, {"/features/x/1", "/features/picture/0"}),
        ({"features": {"x": ["a", "price"], "picture": ["image"]}}, {"/features/x/1"}),
        ({"features": {"x": ["a", "a"], "picture": ["image", "p3"]}}, {"/features/x/1", "/features/picture/1"}),
        ({"features": {"x": ["a"], "picture": ["image"]}}, {"/network/inputs/x/shape"}),
        ({"features": {"x": ["a", "kind"], "picture": ["image"]}, "preparation": "none"}, {"/features/x/1"}),
    ],
)
def test_a_mistake_in_several_inputs_is_named_where_it_stands(description: Any, pointers: set[str]) -> None:
    assert mistakes(target="price", network=TWO_INPUTS, **description).keys() == pointers


@pytest.mark.parametrize("network", [None, {"layers": MLP}])
def test_a_network_of_layers_has_one_input(network: Any) -> None:
    found = mistakes(target="price", network=network, features={"x": ["a"], "z": ["b"]})
    assert found.keys() == {"/features"}


def test_every_target_is_encoded_as_the_loss_that_judges_it_takes_it() -> None:
    found = experiment(target={"q": ["price", "size"], "t": "kind"}, network=TWO_TARGETS, features=["a", "b"])
    assert {name: target.encoding for name, target in found.preparation.targets.items()} == {
        "t": "class",
        "q": "number",
    }
    assert {name: array.shape[1:] for name, array in found.training.targets.items()} == {"t": (), "q": (2,)}
    assert (found.graph.shape_of("c"), found.graph.shape_of("r")) == ((2,), (2,))
    np.testing.assert_allclose(found.training.targets["q"].mean(axis=0), 0, atol=1e-12)


def test_scores_of_the_first_target_keep_their_names_and_those_of_others_tell_the_target() -> None:
    found = experiment(target={"t": "kind", "q": "price"}, network=TWO_TARGETS, features=["a", "b"], epochs=60)
    *_, last, _ = found.run().events()
    assert isinstance(last, EpochEnded)
    assert last.training.keys() == {"loss", "accuracy", "q.rmse"} == last.validation.keys()
    assert last.validation["accuracy"] > 0.8
    # In the unit of the price, whose deviation is about 100.
    assert 0.01 < last.validation["q.rmse"] < 100


def test_a_row_without_one_of_its_targets_is_left_out() -> None:
    table = a_table()
    price = column("price").copy()
    price[5] = np.nan
    columns = tuple(NumberColumn("price", price) if c.name == "price" else c for c in table.columns)
    spec = {"target": {"t": "kind", "q": "price"}, "network": TWO_TARGETS, "features": ["a", "b"]}
    found = resolve(ExperimentSpec.model_validate(spec), Table(columns, table.groups))
    assert 5 not in np.concatenate(found.rows) and len(np.concatenate(found.rows)) == ROWS - 1


def test_two_losses_may_compare_with_one_target() -> None:
    losses = [{"kind": "mse", "input": "c", "target": "t"}, {"kind": "mae", "input": "r", "target": "t"}]
    found = experiment(target="price", network={**TWO_TARGETS, "losses": losses}, features=["a", "b"])
    assert list(found.training.targets) == ["t"]
    mixed = [{"kind": "mse", "input": "c", "target": "t"}, {"kind": "hinge", "input": "r", "target": "t"}]
    (target,) = experiment(
        target="price", network={**TWO_TARGETS, "losses": mixed}, features=["a"]
    ).preparation.targets.values()
    assert target.scales[0].deviation == 1.0  # type: ignore[union-attr]  # numbers; the hinge has no free units


def test_losses_of_different_kinds_on_one_target_are_refused() -> None:
    losses = [{"kind": "cross_entropy", "input": "c", "target": "t"}, {"kind": "mse", "input": "r", "target": "t"}]
    assert "/network/losses/1/target" in mistakes(
        target="kind", network={**TWO_TARGETS, "losses": losses}, features=["a"]
    )


@pytest.mark.parametrize(
    ("target", "pointers"),
    [
        ("kind", {"/target"}),
        (["kind", "price"], {"/target"}),
        ({"t": "kind"}, {"/target/q"}),
        ({"t": "kind", "q": "price", "z": "size"}, {"/target/z"}),
        ({"t": "kin", "q": ["price", "pric"]}, {"/target/t", "/target/q/1"}),
        ({"t": "price", "q": "kind"}, {"/target/t", "/target/q"}),
    ],
)
def test_a_mistake_in_several_targets_is_named_where_it_stands(target: Any, pointers: set[str]) -> None:
    assert mistakes(target=target, network=TWO_TARGETS, features=["a", "b"]).keys() == pointers


def test_targets_by_name_need_losses_that_name_them() -> None:
    assert mistakes(target={"t": "kind", "q": "price"}, features=["a"]).keys() >= {"/target/t", "/target/q"}
    assert experiment(target={"y": "kind"}, features=["a"]).preparation.targets["y"].columns == ("kind",)


def test_an_output_of_another_size_than_its_target_is_told() -> None:
    network = {
        **TWO_TARGETS,
        "nodes": [*TWO_TARGETS["nodes"][:2], {"id": "r", "op": "dense", "inputs": ["h"], "units": 3}],
    }
    found = mistakes(target={"t": "kind", "q": ["price", "size"]}, network=network, features=["a"])
    assert "2 columns" in found["/network"] and "[3]" in found["/network"]


def test_the_rows_of_a_split_are_found_again_from_the_losses_alone() -> None:
    found = experiment(target={"t": "kind", "q": "price"}, network=TWO_TARGETS, features=["a", "b"])
    spec = found.spec.model_copy(update={"network": None, "loss": None})
    again = split_of(spec, a_table(), found.graph.losses, validates=False)
    for first, second in zip(found.rows, again, strict=True):
        np.testing.assert_array_equal(first, second)


def a_sentence() -> tuple[Table, dict[str, Any]]:
    """Three words a row and the kind of each, which is whether its number is positive."""
    generator = np.random.default_rng(1)
    words = {f"w{at}": generator.normal(size=ROWS) for at in range(3)}
    kinds = [CategoryColumn(f"k{at}", (words[f"w{at}"] > 0).astype(np.int32), ("down", "up")) for at in range(3)]
    table = Table((*(NumberColumn(name, values) for name, values in words.items()), *kinds))
    network = {
        "inputs": {"x": {"shape": [3, 1]}},
        "layers": [{"op": "dense", "units": 4}, {"op": "tanh"}, {"op": "dense"}],
    }
    return table, {"target": ["k0", "k1", "k2"], "network": network, "loss": {"kind": "cross_entropy"}, "epochs": 80}


def test_a_sequence_of_classes_is_learned_over_one_set_of_labels() -> None:
    table, description = a_sentence()
    found = resolve(ExperimentSpec.model_validate(description), table)
    assert found.graph.shape_of(found.graph.output) == (3, 2)
    assert found.training.targets["y"].shape[1:] == (3,)
    *_, last, _ = found.run().events()
    assert isinstance(last, EpochEnded) and last.validation["accuracy"] > 0.9


def test_a_sequence_of_another_length_than_its_targets_is_told_with_both_numbers() -> None:
    table, description = a_sentence()
    with pytest.raises(Invalid) as caught:
        resolve(
            ExperimentSpec.model_validate({**description, "target": ["k0", "k1"], "features": ["w0", "w1", "w2"]}),
            table,
        )
    (problem,) = caught.value.problems
    assert problem.pointer == "/network"
    assert "3 times" in problem.detail and "2 columns" in problem.detail


def test_numbers_may_have_any_shape_with_as_many_entries_as_columns() -> None:
    network = {"inputs": {"x": {"shape": [3, 1]}}, "layers": [{"op": "dense"}]}
    table, _ = a_sentence()
    doubled = [NumberColumn(f"d{c.name}", c.values * 2) for c in table.columns if isinstance(c, NumberColumn)]
    spec = {"target": ["dw0", "dw1", "dw2"], "features": ["w0", "w1", "w2"], "network": network, "epochs": 3}
    found = resolve(ExperimentSpec.model_validate(spec), Table((*table.columns, *doubled)))
    assert found.training.targets["y"].shape[1:] == (3, 1)
    *_, last, _ = found.run().events()
    assert isinstance(last, EpochEnded) and last.validation["rmse"] > 0


def test_an_output_of_several_axes_that_does_not_fit_is_told_what_would() -> None:
    network = {"inputs": {"x": {"shape": [3, 1]}}, "layers": [{"op": "dense", "units": 4}]}
    table, _ = a_sentence()
    doubled = [NumberColumn(f"d{c.name}", c.values * 2) for c in table.columns if isinstance(c, NumberColumn)]
    spec = {"target": ["dw0", "dw1", "dw2"], "features": ["w0", "w1", "w2"], "network": network}
    with pytest.raises(Invalid) as caught:
        resolve(ExperimentSpec.model_validate(spec), Table((*table.columns, *doubled)))
    (problem,) = caught.value.problems
    assert (problem.pointer, problem.got, problem.allowed) == ("/network", [3, 4], [1])


def test_class_weights_are_balanced_for_each_target_by_its_own_classes() -> None:
    losses = [{**TWO_TARGETS["losses"][0], "class_weight": "balanced"}, TWO_TARGETS["losses"][1]]
    found = experiment(
        target={"t": "kind", "q": "price"}, network={**TWO_TARGETS, "losses": losses}, features=["a", "b"], epochs=3
    )
    counts = np.bincount(found.training.targets["t"])
    weights = found.graph.losses[0].class_weight  # type: ignore[attr-defined]  # a cross entropy
    np.testing.assert_allclose(weights * counts, len(found.training.targets["t"]) / 2)
    *_, last, _ = found.run().events()
    assert isinstance(last, EpochEnded) and last.training.keys() == {"loss", "accuracy", "q.rmse"}


def test_weights_of_a_term_are_asked_for_where_the_term_stands() -> None:
    losses = [TWO_TARGETS["losses"][0], {**TWO_TARGETS["losses"][1], "sample_weight": "a"}]
    network = {**TWO_TARGETS, "losses": losses}
    found = mistakes(target={"t": "kind", "q": "price"}, network=network, features=["b"])
    assert found.keys() == {"/network/losses/1/sample_weight"}
    weighted = experiment(
        target={"t": "kind", "q": "price"},
        network={**network, "losses": [losses[0], {**losses[1], "sample_weight": "id"}]},
        features=["b"],
    )
    np.testing.assert_array_equal(weighted.training.sample_weights[1], column("id")[weighted.rows.training])


def test_a_data_set_to_validate_on_needs_the_columns_and_what_its_inputs_take() -> None:
    """It was a KeyError."""
    spec = ExperimentSpec.model_validate(
        {"target": "price", "features": ["a"], "split": {"validation_dataset": "ds_x"}}
    )
    with pytest.raises(Invalid) as caught:
        resolve(spec, a_table(), validation_table=a_table().select(["price", "b"]))
    assert [problem.pointer for problem in caught.value.problems] == ["/split/validation_dataset"]
    assert "'a'" in caught.value.problems[0].detail


@pytest.mark.parametrize(
    ("shape", "op", "axis"),
    [
        ((3, 8, 8), "conv2d", "first"),
        ((20, 2), "lstm", "last"),
        ((28, 28), "flatten", "last"),
        ((1, 140), "flatten", "first"),
        ((3, 140), "conv1d", "first"),
        ((3, 140), "max_pool1d", "first"),
    ],
)
def test_the_axis_of_different_units_is_that_of_channels_or_of_features(shape: Any, op: str, axis: str) -> None:
    fields = {"conv2d": {"filters": 1, "kernel": 3}, "conv1d": {"filters": 1, "kernel": 3}, "max_pool1d": {"kernel": 2}}
    assert channel_axis(shape, [OPS[op].model_validate(fields.get(op, {}))]) == axis
