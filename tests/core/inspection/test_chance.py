"""The loss that needs no look at the inputs, by hand and by search."""

import math
from typing import Any

import numpy as np
import pytest

from core.graph.build import build
from core.graph.initial import initial_parameters
from core.graph.interpreter import interpret
from core.inspection.chance import chance
from core.losses import LOSSES
from core.network import Network
from core.training.examples import Examples


def of(loss: dict[str, Any], width: int, target: Any) -> float | None:
    network = {"inputs": {"x": {"shape": [width]}}, "layers": [{"op": "identity"}], "losses": [loss]}
    graph = build(Network.model_validate(network))
    targets = np.asarray(target)
    return chance(graph, Examples({"x": np.zeros((len(targets), width))}, {"y": targets}))


HALF = math.log(2.0)


@pytest.mark.parametrize(
    ("loss", "width", "target", "expected"),
    [
        ({"kind": "cross_entropy"}, 2, [0, 1, 0, 1], HALF),
        # −¾ log ¾ − ¼ log ¼; a class that never occurs adds nothing.
        ({"kind": "cross_entropy"}, 3, [0, 0, 0, 1], 0.5623351446188083),
        ({"kind": "cross_entropy", "ignore_index": 2}, 2, [0, 1, 2, 2], HALF),
        ({"kind": "bce_with_logits"}, 1, [[0.0], [1.0], [1.0], [1.0]], 0.5623351446188083),
        ({"kind": "bce"}, 1, [[0.0], [1.0]], HALF),
        ({"kind": "mse"}, 1, [[1.0], [2.0], [3.0]], 2 / 3),
        ({"kind": "mse", "weight": 3.0}, 1, [[1.0], [2.0], [3.0]], 2.0),
        # The best constant for absolute errors is the median: (9 + 1 + 0) / 3.
        ({"kind": "mae"}, 1, [[1.0], [2.0], [11.0]], 10 / 3),
        # Counts of mean 2: exp(y) − 2 y at y = log 2.
        ({"kind": "poisson_nll"}, 1, [[1.0], [3.0]], 2.0 - 2.0 * HALF),
        ({"kind": "hinge"}, 1, [[-1.0], [1.0]], 1.0),
    ],
)
def test_chance_is_what_paper_says(loss: dict[str, Any], width: int, target: Any, expected: float) -> None:
    assert of(loss, width, target) == pytest.approx(expected, rel=1e-9)


def test_no_loss_of_a_random_constant_output_is_below_chance() -> None:
    """Of all losses that have a chance, for targets such as they take."""
    generator = np.random.default_rng(0)
    judged = 0
    for kind, rule in LOSSES.items():
        loss = rule.model_validate({"input": "x_1", "target": "y"})
        shape = (3,) if kind != "gaussian_nll" else (4,)
        targets = loss.random_targets(shape, 40, generator)
        guess = of({"kind": kind}, shape[0], targets)
        if guess is None:
            assert kind in {"cosine", "gaussian_nll", "multi_margin"}
            continue
        judged += 1
        for _ in range(20):
            logits = generator.normal(size=shape)
            assert _loss(kind, logits, targets) >= guess - 1e-9
    assert judged > 10


def _loss(kind: str, numbers: Any, targets: Any) -> float:
    """The loss of one output for every row, brought to the scale that the loss takes."""
    rule = LOSSES[kind]
    if rule.output_scale in ("probabilities", "log_probabilities"):
        shares = np.exp(numbers) / np.exp(numbers).sum() if rule.chooses_one else 1 / (1 + np.exp(-numbers))
        numbers = shares if rule.output_scale == "probabilities" else np.log(shares)
    weights = np.zeros((len(numbers), len(numbers)))
    network = {
        "inputs": {"x": {"shape": [len(numbers)]}},
        "layers": [{"op": "dense", "units": len(numbers), "params": {"W": weights, "b": numbers}}],
        "losses": [{"kind": kind}],
    }
    graph = build(Network.model_validate(network))
    done = interpret(
        graph,
        initial_parameters(graph, 0, np.float64),
        {"x": np.zeros((len(targets), len(numbers)))},
        {"y": targets},
        backward=False,
    )
    return float(done.loss(graph))
