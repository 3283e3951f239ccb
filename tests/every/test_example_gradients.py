"""What holds of every op and every loss: an example's own gradient is the one it has when it comes alone."""

import json
from typing import Any

import numpy as np
import pytest

from core.arrays import Array, Shape
from core.inspect.gradients import Gradients
from core.inspection.batch import Posed
from core.inspection.by_example import ByExample, by_example
from core.inspection.objective import flat_gradient, total
from core.inspection.question import History, Trained
from core.loss import Loss
from core.losses import LOSSES
from core.op import Op
from tests.one_op import every_op, question_about

ROWS = 4
Body = dict[str, Any]


class NoModels:
    def model(self, reference: str) -> Trained:
        raise LookupError(reference)

    def history(self, reference: str) -> History:
        raise LookupError(reference)


def pose(body: Body) -> Posed:
    return Gradients.model_validate_json(json.dumps(body)).pose(NoModels())


def alone(body: Body, row: int) -> Posed:
    """The same question about one example only."""
    one = {part: {name: array[row : row + 1] for name, array in body[part].items()} for part in ("inputs", "targets")}
    return pose(body | one)


def loss_and_gradient(posed: Posed) -> tuple[float, Array]:
    done = posed.run()
    gradient = flat_gradient(posed.graph, posed.parameters, done)[: posed.graph.parameter_count]
    return float(total(posed.graph, posed.parameters, done)), gradient


def assert_is_consistent(found: ByExample) -> None:
    """Inner products, sums of squares and norms by tensor are those of the gradients."""
    assert found.rows is not None
    scale = np.abs(found.gram).max()
    np.testing.assert_allclose(found.gram, found.rows @ found.rows.T, rtol=1e-12, atol=1e-13 * scale)
    np.testing.assert_allclose(found.squares, np.square(found.rows).sum(axis=0), rtol=1e-12, atol=1e-14 * scale)
    np.testing.assert_allclose(found.mean, found.rows.mean(axis=0), rtol=1e-12, atol=1e-14 * scale**0.5)
    summed = sum(found.square_norms.values())
    np.testing.assert_allclose(summed, np.diagonal(found.gram), rtol=1e-12)


@every_op
def test_each_example_has_the_gradient_it_has_alone(op: Op, shapes: list[Shape]) -> None:
    body = question_about(op, shapes, rows=ROWS)
    posed = pose(body)
    if not posed.graph.parameter_count:
        pytest.skip("has no parameters, and nothing before it has")
    found = by_example(posed, keeps_rows=True)
    assert_is_consistent(found)
    assert found.rows is not None
    for row in range(ROWS):
        loss, gradient = loss_and_gradient(alone(body, row))
        assert found.losses[row] == pytest.approx(loss, rel=1e-13)
        np.testing.assert_allclose(found.rows[row], gradient, rtol=1e-11, atol=1e-13 * np.abs(gradient).max(initial=0))


LOSS_EXAMPLES = [
    pytest.param(example, id=f"{kind}-{index}")
    for kind, loss in LOSSES.items()
    for index, example in enumerate(loss.examples(np.random.default_rng(5)))
]


def judged_by(loss: Loss, outputs: Array, targets: Array, **fields: Any) -> Body:
    """A layer that changes nothing, and the loss of what it makes of the outputs."""
    width = outputs.shape[-1]
    layer = {"op": "dense", "params": {"W": np.eye(width).tolist()}}
    stated = loss.model_dump(mode="json", exclude_none=True) | fields
    network = {"layers": [layer], "losses": [stated]}
    return {
        "subject": {"network": network},
        "inputs": {"x": outputs.tolist()},
        "targets": {"y": targets.astype(float).tolist()},
    }


@pytest.mark.parametrize("example", LOSS_EXAMPLES)
@pytest.mark.parametrize("is_weighted", [False, True], ids=["plain", "weighted"])
def test_own_losses_and_gradients_add_up_to_those_of_the_batch(
    example: tuple[Loss, Array, Array], is_weighted: bool
) -> None:
    loss, outputs, targets = example
    weights = {"sample_weight": np.linspace(0.5, 2.0, len(outputs)).tolist()} if is_weighted else {}
    posed = pose(judged_by(loss, outputs, targets, **weights))
    found = by_example(posed, keeps_rows=True)
    assert_is_consistent(found)
    whole, gradient = loss_and_gradient(posed)
    times = len(outputs) if loss.reduction == "sum" else 1
    assert found.losses.mean() * times == pytest.approx(whole, rel=1e-12, abs=1e-14)
    np.testing.assert_allclose(found.mean * times, gradient, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("example", LOSS_EXAMPLES)
def test_an_example_that_counts_as_much_as_any_has_the_loss_it_has_alone(example: tuple[Loss, Array, Array]) -> None:
    loss, outputs, targets = example
    if loss.reduction == "mean" and not loss.adds_up:
        pytest.skip("does not count as much as any")
    body = judged_by(loss, outputs, targets)
    found = by_example(pose(body), keeps_rows=True)
    assert found.rows is not None
    for row in range(len(outputs)):
        value, gradient = loss_and_gradient(alone(body, row))
        assert found.losses[row] == pytest.approx(value, rel=1e-13, abs=1e-15)
        np.testing.assert_allclose(found.rows[row], gradient, rtol=1e-12, atol=1e-14)
