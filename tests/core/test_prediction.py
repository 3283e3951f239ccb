"""Outputs as predictions and as probabilities, for every way a loss can take them."""

from typing import Any

import numpy as np
import pytest

from core.data.choice import choose
from core.data.table import CategoryColumn, NumberColumn, Table
from core.data.targets import Target, TargetEncoding, fit_target
from core.errors import Invalid
from core.evaluation import judge
from core.graph.build import build
from core.loss import Loss
from core.losses import LOSSES
from core.network import Network
from core.prediction import Predictions, class_labels, predict

ROWS = 6


def a_loss(loss: str, outputs: int) -> Loss:
    network = {
        "inputs": {"x": {"shape": [1]}},
        "layers": [{"op": "dense", "units": outputs}],
        "losses": [{"kind": loss}],
    }
    return build(Network.model_validate(network)).losses[0]


def a_target(encoding: TargetEncoding, *targets: NumberColumn | CategoryColumn, loss: str | None = None) -> Target:
    table = Table(targets)
    choice = choose(table, table.names, "/target")
    standardized = loss is None or LOSSES[loss].has_free_units
    return fit_target(table, np.arange(ROWS), choice, encoding, standardized=standardized)


def letters(name: str, *categories: str) -> CategoryColumn:
    return CategoryColumn(name, (np.arange(ROWS) % len(categories)).astype(np.int32), categories)


def numbers(name: str) -> NumberColumn:
    return NumberColumn(name, np.linspace(10.0, 20.0, ROWS))


def hundreds(name: str) -> NumberColumn:
    return NumberColumn(name, np.arange(0, 100 * ROWS, 100, dtype=np.float64))


def predicted(loss: str, target: Target, outputs: Any) -> Predictions:
    array = np.array(outputs, np.float64)
    return predict(a_loss(loss, array.shape[-1]), target, array)


def close(found: object, wanted: object) -> None:
    np.testing.assert_allclose(np.asarray(found, np.float64), np.asarray(wanted, np.float64), rtol=1e-12)


def test_logits_of_classes_become_probabilities_by_softmax() -> None:
    found = predicted("cross_entropy", a_target("class", letters("t", "a", "b", "c")), [[0, np.log(2), np.log(5)]])
    assert found.predictions == ["c"]
    close(found.probabilities, [[0.125, 0.25, 0.625]])


def test_log_probabilities_are_taken_as_such() -> None:
    found = predicted("nll", a_target("class", letters("t", "a", "b")), np.log([[0.25, 0.75]]))
    close(found.probabilities, [[0.25, 0.75]])


def test_extreme_logits_give_probabilities_without_a_warning() -> None:
    found = predicted("cross_entropy", a_target("class", letters("t", "a", "b")), [[1e4, -1e4], [-1e308, 1e308]])
    assert found.probabilities is not None
    assert found.probabilities.tolist() == [[1, 0], [0, 1]]


def test_a_single_logit_tells_two_classes_apart() -> None:
    target = a_target("binary", letters("t", "no", "yes"))
    found = predicted("bce_with_logits", target, [[np.log(3)], [-np.log(3)]])
    assert found.predictions == ["yes", "no"]
    close(found.probabilities, [[0.25, 0.75], [0.75, 0.25]])
    assert class_labels(target) == ["no", "yes"]


def test_probabilities_are_not_squeezed_again() -> None:
    found = predicted("bce", a_target("binary", letters("t", "no", "yes")), [[0.3], [0.6]])
    assert found.predictions == ["no", "yes"]
    close(found.probabilities, [[0.7, 0.3], [0.4, 0.6]])


def test_several_columns_of_two_classes_decide_each_for_itself() -> None:
    target = a_target("binary", letters("t", "no", "yes"), letters("u", "off", "on"))
    found = predicted("bce_with_logits", target, [[np.log(3), np.log(9)], [-1.0, 1.0]])
    assert found.predictions == [["yes", "on"], ["no", "on"]]
    close(np.asarray(found.probabilities)[0], [0.75, 0.9])
    assert class_labels(target) is None


def test_numbers_come_back_in_the_units_of_the_target() -> None:
    target = a_target("number", numbers("t"))
    found = predicted("mse", target, target.apply(Table((numbers("t"),))))
    assert found.predictions == pytest.approx(np.linspace(10, 20, ROWS).tolist())
    assert found.probabilities is None


def test_the_logarithm_of_a_rate_is_predicted_as_the_rate() -> None:
    found = predicted("poisson_nll", a_target("number", numbers("t"), loss="poisson_nll"), [[0.0], [np.log(7)]])
    assert found.predictions == pytest.approx([1.0, 7.0])
    assert found.deviations is None


def test_no_rate_however_large_is_infinite() -> None:
    found = predicted("poisson_nll", a_target("number", numbers("t"), loss="poisson_nll"), [[1e15], [-1e15]])
    assert found.predictions == [pytest.approx(np.exp(50) * (1e15 - 49)), 0.0]


def test_means_and_log_variances_are_numbers_with_deviations_in_the_units_of_the_target() -> None:
    target = a_target("number", numbers("t"), hundreds("u"), loss="gaussian_nll")
    found = predicted("gaussian_nll", target, [[0.0, 1.0, np.log(4), np.log(0.25)]])
    t, u = numbers("t").values, hundreds("u").values
    close(found.predictions, [[t.mean(), u.mean() + u.std()]])
    close(found.deviations, [[2 * t.std(), u.std() / 2]])


def test_deviations_of_a_single_column_are_plain_numbers() -> None:
    found = predicted("gaussian_nll", a_target("number", numbers("t")), [[0.0, 0.0]])
    assert found.deviations == pytest.approx([numbers("t").values.std()])


def test_a_deviation_beyond_all_numbers_is_named_by_its_row() -> None:
    with pytest.raises(Invalid) as caught:
        predicted("gaussian_nll", a_target("number", numbers("t")), [[0.0, 0.0], [0.0, 2000.0]])
    assert [problem.pointer for problem in caught.value.problems] == ["/rows/1"]


def test_errors_of_rates_and_means_are_measured_as_the_target_counts() -> None:
    counts = NumberColumn("t", np.arange(1.0, 1.0 + ROWS))
    target = a_target("number", counts, loss="poisson_nll")
    targets = target.apply(Table((counts,)))
    assert judge(a_loss("poisson_nll", 1), target, np.log(targets), targets).metrics["rmse"] == pytest.approx(0)
    target = a_target("number", numbers("t"), loss="gaussian_nll")
    targets = target.apply(Table((numbers("t"),)))
    outputs = np.concatenate([targets + 1.0, np.zeros_like(targets)], axis=1)
    judged = judge(a_loss("gaussian_nll", 2), target, outputs, targets)
    assert judged.metrics["rmse"] == pytest.approx(numbers("t").values.std())


def test_scores_with_a_margin_choose_the_largest_and_have_no_probabilities() -> None:
    found = predicted("multi_margin", a_target("class", letters("t", "a", "b", "c")), [[0.3, -1.0, 0.2]])
    assert found.predictions == ["a"]
    assert found.probabilities is None


def test_an_output_that_is_not_finite_is_named_by_its_row() -> None:
    with pytest.raises(Invalid) as caught:
        predicted("mse", a_target("number", numbers("t")), [[0.0], [np.inf], [np.nan]])
    assert [problem.pointer for problem in caught.value.problems] == ["/rows/1", "/rows/2"]


def test_a_judgement_of_several_yes_and_no_has_a_confusion_for_each() -> None:
    target = a_target("binary", letters("t", "no", "yes"), letters("u", "off", "on"))
    outputs, targets = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    judged = judge(a_loss("bce_with_logits", 2), target, outputs, targets)
    assert [confusion.matrix for confusion in judged.confusion] == [[[1, 1], [0, 1]], [[1, 1], [0, 1]]]
    assert judged.metrics["accuracy"] == pytest.approx(4 / 6)
    assert judged.metrics["log_loss"] is not None


def test_residuals_and_errors_of_several_columns_are_in_their_own_units() -> None:
    target = a_target("number", numbers("t"), hundreds("u"))
    table = Table((numbers("t"), hundreds("u")))
    targets = target.apply(table)
    judged = judge(a_loss("mse", 2), target, targets + 1.0, targets)
    assert [one.column for one in judged.residuals] == ["t", "u"]
    for residuals, column in zip(judged.residuals, (numbers("t"), hundreds("u")), strict=True):
        assert residuals.mean == pytest.approx(column.values.std())
        assert residuals.std == pytest.approx(0, abs=1e-9)
