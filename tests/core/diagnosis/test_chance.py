"""What a network has to beat, against the formulas that are known."""

import numpy as np
import pytest

from core.arrays import Array
from core.diagnosis.chance import chance_of
from core.graph.build import build
from core.loss import LossSite
from core.losses import LOSSES
from core.network import Network
from core.training.examples import Examples

ROWS = 400


def chance(kind: str, targets: Array, width: int, **fields: object) -> float | None:
    network = {
        "inputs": {"x": {"shape": [2]}},
        "layers": [{"op": "dense", "units": width}],
        "losses": [{"kind": kind, **fields}],
    }
    graph = build(Network.model_validate(network))
    return chance_of(graph, Examples({"x": np.zeros((len(targets), 2))}, {"y": targets}))


def numbers() -> Array:
    return np.random.default_rng(0).gamma(2.0, 1.5, (ROWS, 2))


def test_of_classes_it_is_the_entropy_of_their_shares_in_nats() -> None:
    """Shares 1/2, 1/4, 1/4: ½ log 2 + ½ log 4 = 1.0397."""
    targets = np.array([0, 0, 1, 2] * 25)
    assert chance("cross_entropy", targets, 3) == pytest.approx(1.5 * np.log(2.0), rel=1e-12)


def test_of_squares_it_is_the_variance() -> None:
    targets = numbers()
    assert chance("mse", targets, 2) == pytest.approx(targets.var(axis=0).mean(), rel=1e-12)
    assert chance("mse", targets, 2, weight=0.5) == pytest.approx(0.5 * targets.var(axis=0).mean(), rel=1e-12)


def test_of_absolute_errors_it_is_the_distance_to_the_median() -> None:
    targets = numbers()
    expected = np.abs(targets - np.median(targets, axis=0)).mean()
    assert chance("mae", targets, 2) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", ["bce", "bce_with_logits"])
def test_of_yes_or_no_it_is_the_entropy_of_their_share(kind: str) -> None:
    targets = (np.arange(100) < 20).astype(float)[:, None]
    assert chance(kind, targets, 1) == pytest.approx(-0.2 * np.log(0.2) - 0.8 * np.log(0.8), rel=1e-9)


@pytest.mark.parametrize("kind", ["huber", "log_cosh", "smooth_l1"])
def test_of_a_loss_without_a_formula_it_is_the_least_that_a_fine_search_finds(kind: str) -> None:
    targets = numbers()[:, :1]
    found = chance(kind, targets, 1)
    tried = [chance_at(kind, targets, value) for value in np.linspace(-1.0, 6.0, 3001)]
    assert found == pytest.approx(min(tried), rel=1e-5)


def chance_at(kind: str, targets: Array, value: float) -> float:
    """The loss of one constant, by the loss itself."""
    loss = LOSSES[kind].model_validate({"input": "y", "target": "y"})
    site = LossSite(np.full((1, len(targets)), value), targets.T.copy(), None, np.zeros(()))
    for call in (*loss.prepare(site), *loss.forward(site)):
        call()
    return float(site.value)


def test_sums_over_a_batch_have_no_chance_to_compare_with() -> None:
    assert chance("mse", numbers(), 2, reduction="sum") is None


def test_a_loss_that_can_be_negative_has_no_shares_of_chance() -> None:
    """Of numbers around 3 the least poisson_nll, without its constant, is 3 − 3 log 3 = −0.3."""
    assert chance("poisson_nll", np.full((50, 1), 3.0), 1) is None


def test_targets_that_are_all_the_same_leave_nothing_to_compare_with() -> None:
    assert chance("mse", np.ones((10, 1)), 1) is None
