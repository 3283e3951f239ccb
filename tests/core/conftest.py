"""Questions about networks that come with them."""

from typing import Any

import pytest

from core.inspection.question import History, Library, Trained


class NoModels:
    """A library without a single model."""

    def model(self, reference: str) -> Trained:
        raise LookupError(reference)

    def history(self, reference: str) -> History:
        raise LookupError(reference)


@pytest.fixture
def library() -> Library:
    return NoModels()


@pytest.fixture
def two_two_two() -> dict[str, Any]:
    """The 2-2-2 network of the worked example, with its input and target."""
    return {
        "subject": {
            "network": {
                "nodes": [
                    {
                        "id": "h",
                        "op": "dense",
                        "inputs": ["x"],
                        "params": {"W": [[0.1, 0.03], [0.15, 0.08]], "b": [0.05, 0.05]},
                    },
                    {"id": "a", "op": "sigmoid", "inputs": ["h"]},
                    {
                        "id": "o",
                        "op": "dense",
                        "inputs": ["a"],
                        "params": {"W": [[0.18, 0.11], [0.06, 0.26]], "b": [0.42, 0.42]},
                    },
                    {"id": "y", "op": "sigmoid", "inputs": ["o"]},
                ],
                "losses": [{"kind": "half_sse", "input": "y", "target": "t"}],
            }
        },
        "inputs": {"x": [[0.95, 0.06]]},
        "targets": {"t": [[0.05, 0.82]]},
    }
