"""A model that many tests use."""

from collections.abc import Callable

import pytest

from tests.trained import Json, Train, a_dataset, run_next, train

__all__ = ["a_dataset", "iris", "run_next", "train"]


@pytest.fixture
def iris(a_dataset: Callable[[Json], str], train: Train) -> Json:
    """The job that has learned to tell irises apart, with a test split."""
    return train(
        name="iris",
        dataset=a_dataset({"sample": "iris"}),
        target="species",
        split={"validation": 0.2, "test": 0.2},
        network={"layers": [{"op": "dense", "units": 8}, {"op": "tanh"}, {"op": "dense"}]},
        optimizer={"kind": "adam", "learning_rate": 0.1},
        epochs=12,
        batch_size=16,
    )
