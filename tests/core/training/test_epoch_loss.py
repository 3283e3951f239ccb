"""The loss of an epoch is that of all its outputs at once, in however many pieces it is taken."""

import numpy as np
import pytest

from core.graph.build import build
from core.network import Network
from core.training.epoch_loss import EpochLoss, rows_of_piece
from core.training.examples import Examples


@pytest.mark.parametrize("is_still", [True, False])
def test_pieces_of_one_length_keep_targets_of_their_own(is_still: bool) -> None:
    network = {
        "inputs": {"x": {"shape": [3]}},
        "layers": [{"op": "identity", "id": "y"}],
        "losses": [{"kind": "cross_entropy"}],
    }
    rows = 3 * rows_of_piece((3,)) + 5
    generator = np.random.default_rng(0)
    outputs, classes = generator.normal(size=(3, rows)), generator.integers(0, 3, rows)
    examples = Examples({}, {"y": classes})
    graph = build(Network.model_validate(network))
    found = EpochLoss(graph, {"y": outputs}, examples, np.arange(rows), is_still=is_still).total()
    logs = outputs - np.log(np.exp(outputs).sum(axis=0))
    assert found == pytest.approx(-logs[classes, np.arange(rows)].mean(), rel=1e-12)
