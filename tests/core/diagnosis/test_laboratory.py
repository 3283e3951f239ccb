"""What would have been is computed, within bounds, and beside the run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.diagnosis.changes import NORMALIZED, RECTIFIED, STANDARDIZED, USUAL_START
from core.diagnosis.course import Course, Failure
from core.diagnosis.judge import complete, judge
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.overflow import find_overflow
from core.graph.build import build
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.graph.interpreter import interpret
from core.network import Network
from core.training.events import Ended, EpochEnded
from core.training.examples import Examples
from core.training.run import Run
from core.training.spec import TrainingSpec
from tests.bench.diagnosis import course_of
from tests.bench.faulty_runs import RIGHT, a_case
from tests.core.diagnosis.courses import a_course, a_network

DEEP = ("sigmoid",) * 7


def some_rows(rows: int = 100, scale: float = 1.0) -> Examples:
    draw = np.random.default_rng(7)
    return Examples({"x": draw.normal(0.0, scale, (rows, 4))}, {"y": draw.integers(0, 3, rows)})


def a_laboratory(graph: Graph, examples: Examples | None = None, **spec: Any) -> Laboratory:
    told = TrainingSpec.model_validate({"optimizer": {"kind": "sgd", "learning_rate": 0.1}, "epochs": 5} | spec)
    return Laboratory(graph, told, examples or some_rows())


def q_by_hand(graph: Graph, examples: Examples, seed: int) -> float:
    """rms(dL/dz) of the first layer over that of the last, by the interpreter."""
    typed = examples.typed(graph, np.float64)
    done = interpret(graph, initial_parameters(graph, seed, np.float64), typed.inputs, typed.targets)
    first, last = (np.sqrt(np.mean(done.gradients[name] ** 2)) for name in ("dense_1", "dense_8"))
    return float(first / last)


def test_the_counterfactual_of_vanishing_is_what_the_changed_network_really_does() -> None:
    """Over three seeds, on the rows that it names: the median of what the interpreter gives for relu and He."""
    graph, rows = a_network(*DEEP, units=16), some_rows(64)
    answer = a_laboratory(graph, rows, seed=3).compare(a_course(graph), "q", Course.quotient, [RECTIFIED])
    assert answer is not None and (answer["seeds"], answer["rows"]) == ([3, 4, 5], 64)
    before = np.median([q_by_hand(graph, rows, seed) for seed in (3, 4, 5)])
    after = np.median([q_by_hand(a_network(*["relu"] * 7, units=16), rows, seed) for seed in (3, 4, 5)])
    assert answer["before"] == pytest.approx(before, rel=1e-9)
    assert answer["after"] == {RECTIFIED.words: pytest.approx(after, rel=1e-9)}
    assert before < 1e-3 and after > 0.03


def test_a_normalization_layer_is_put_behind_each_hidden_layer() -> None:
    changed = NORMALIZED.make(a_network("tanh", "relu"), some_rows())
    assert changed is not None
    graph = changed[0]
    assert [node.op.op for node in graph.nodes] == [
        "dense",
        "layer_norm",
        "tanh",
        "dense",
        "layer_norm",
        "relu",
        "dense",
    ]
    assert graph.output == "dense_3"


def test_the_usual_start_is_compared_only_where_another_was_chosen() -> None:
    assert USUAL_START.make(a_network("tanh"), some_rows()) is None
    chosen = a_network("tanh", init={"kind": "normal", "std": 9.0})
    changed = USUAL_START.make(chosen, some_rows())
    assert changed is not None
    usual = initial_parameters(a_network("tanh"), 0, np.float64)
    np.testing.assert_array_equal(initial_parameters(changed[0], 0, np.float64), usual)


def test_features_that_are_standardized_already_are_not_standardized_again() -> None:
    assert STANDARDIZED.make(a_network("tanh"), some_rows()) is None
    changed = STANDARDIZED.make(a_network("tanh"), some_rows(scale=300.0))
    assert changed is not None
    np.testing.assert_allclose(np.std(changed[1].inputs["x"], axis=0), 1.0, rtol=1e-12)


def test_short_trainings_at_other_rates_are_those_of_real_runs() -> None:
    graph, rows = a_network("tanh"), some_rows()
    answer = a_laboratory(graph, rows, epochs=2).train([0.1, 0.01])
    assert answer is not None
    for one in answer["losses"]:
        spec = {"optimizer": {"kind": "sgd", "learning_rate": one["learning_rate"]}, "epochs": 2}
        run = Run(graph, TrainingSpec.model_validate(spec), rows)
        assert one["loss"] == [event.training["loss"] for event in run.events() if isinstance(event, EpochEnded)]


def test_a_short_training_that_overflows_ends_with_null() -> None:
    graph = a_network("relu", loss="mse")
    rows = Examples({"x": some_rows().inputs["x"]}, {"y": np.ones((100, 3))})
    answer = a_laboratory(graph, rows).train([1e20])
    assert answer is not None and answer["losses"][0]["loss"] == [None]


def test_of_a_network_that_is_too_large_nothing_is_trained_and_fewer_rows_are_looked_at() -> None:
    layers = [{"op": "dense", "units": 3000}, {"op": "tanh"}] * 3
    graph = a_network(layers=[*layers, {"op": "dense", "units": 3}])
    laboratory = a_laboratory(graph, some_rows(20_000), batch_size=1024)
    assert laboratory.train([0.1]) is None
    assert laboratory._rows().rows == 8


@pytest.mark.parametrize("fault", RIGHT)
def test_whatever_is_wrong_the_verdicts_can_be_completed_and_shown(fault: str) -> None:
    case = a_case(fault, 100_000)
    course = course_of(case)
    laboratory = Laboratory(case.graph, case.spec, case.training, case.validation)
    for verdict in judge(course):
        done = complete(course, verdict, laboratory)
        done.model_dump_json()
        if done.code in RIGHT[fault] and done.code != "generalisation_gap":
            assert done.counterfactual is not None


def test_the_run_learns_the_same_bits_while_verdicts_are_completed() -> None:
    case = a_case("rate too high", 100_000)
    spec = case.spec.model_copy(update={"epochs": 3})
    course, laboratory = course_of(case), Laboratory(case.graph, case.spec, case.training)
    quiet, disturbed = (Run(case.graph, spec, case.training) for _ in range(2))
    for _ in quiet.events():
        pass
    for _ in disturbed.events():
        for verdict in judge(course):
            complete(course, verdict, laboratory)
    assert quiet.checkpoint().weights == disturbed.checkpoint().weights


# Where numbers overflow


def overflow_of(network: dict[str, Any], examples: Examples, **spec: Any) -> tuple[Any, Ended]:
    """What the last checkpoint before the failure shows of it, and the failure."""
    graph = build(Network.model_validate(network))
    told = TrainingSpec.model_validate({"optimizer": {"kind": "sgd", "learning_rate": 0.1}, "epochs": 9} | spec)
    make: Callable[[], Run] = lambda: Run(graph, told, examples, examples)  # noqa: E731
    run = make()
    last = run.checkpoint()
    for event in run.events():
        if isinstance(event, EpochEnded):
            last = run.checkpoint()
        else:
            assert event.reason == "diverged"
            return find_overflow(make(), examples, examples, checkpoint=last, step=event.step), event
    raise AssertionError("the run was to overflow")


def a_chain(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"inputs": {"x": {"shape": [1]}}, "layers": list(layers), "losses": [{"kind": "mse"}]}


ONE = Examples({"x": np.ones((6, 1))}, {"y": np.zeros((6, 1))})


def test_a_value_that_overflows_is_named_with_the_range_of_what_it_was_made_of() -> None:
    weighted = {"op": "dense", "units": 1, "params": {"W": [[3e20]], "b": [0.0]}}
    found, failure = overflow_of(a_chain(weighted, {"op": "square"}, {"op": "dense", "units": 1}), ONE)
    assert (found.node, failure.step) == ("square_1", 1)
    made_of, itself = found.operands
    assert (made_of.name, made_of.largest, made_of.finite) == ("dense_1", pytest.approx(3e20), 6)
    assert (itself.finite, itself.largest, itself.entries) == (0, None, 6)


def test_a_slope_that_overflows_on_its_way_back_is_named_with_the_weights_it_came_through() -> None:
    """Forward all is finite: 1e-10 · 1e25 = 1e15, whose square is 1e30. Back 1e25 · 2e15 is beyond float32."""
    small, large = ({"op": "dense", "units": 1, "params": {"W": [[value]], "b": [0.0]}} for value in (1e-10, 1e25))
    found, _ = overflow_of(a_chain(small, {"op": "tanh"}, large), ONE, batch_size=3)
    assert (found.node, found.words) == ("tanh_1", "dL/d tanh_1")
    assert {one.name for one in found.operands} == {"dL/d dense_2", "dense_2.W", "dense_2.b", "dL/d tanh_1"}


def test_weights_that_one_update_threw_away_are_named() -> None:
    weighted = {"op": "dense", "units": 1, "params": {"W": [[1e15]], "b": [0.0]}}
    optimizer = {"kind": "sgd", "learning_rate": 1e30}
    found, _ = overflow_of(a_chain(weighted), ONE, optimizer=optimizer, batch_size="full")
    assert (found.node, found.words) == ("dense_1", "dense_1.W after the update")


@pytest.mark.parametrize("batches", [1, 2])
def test_the_failing_step_of_a_later_epoch_is_found_with_its_own_rows_and_masks(batches: int) -> None:
    """Rows come in another order in each epoch, and dropout has drawn before."""
    draw = np.random.default_rng(1)
    examples = Examples({"x": draw.normal(size=(40, 1))}, {"y": draw.normal(size=(40, 1))})
    chain = a_chain(
        {"op": "dense", "units": 8}, {"op": "relu"}, {"op": "dropout", "p": 0.3}, {"op": "dense", "units": 1}
    )
    optimizer = {"kind": "sgd", "learning_rate": 1.9}
    found, failure = overflow_of(chain, examples, optimizer=optimizer, batch_size=8, batches_per_update=batches)
    assert found is not None and found.count > 0
    assert all(one.finite == one.entries for one in found.operands[:-1])
    assert failure.step > 1


def test_a_failed_run_says_where_it_failed() -> None:
    case = a_case("rate too high", 100_002)
    run = Run(case.graph, case.spec, case.training, case.validation)
    kept = {0: run.checkpoint()}
    course = a_course(case.graph, failure=Failure("dense_1", 1, 0))
    laboratory = Laboratory(case.graph, case.spec, case.training, case.validation, kept.get)
    verdict = next(one for one in judge(course) if one.code == "non_finite")
    assert complete(course, verdict, laboratory).evidence.operands is None, "step 1 is finite in this run"


def test_short_trainings_do_without_a_schedule_that_watches_a_curve_they_do_not_have() -> None:
    watching = {"kind": "reduce_on_plateau", "monitor": "validation.loss"}
    answer = a_laboratory(a_network("tanh"), schedule=watching).train([0.1])
    assert answer is not None and None not in answer["losses"][0]["loss"]
