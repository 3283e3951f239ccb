"""Questions about networks that come with them."""

from copy import deepcopy
from typing import Any

import pytest

from core.inspection.batch import TWO_TWO_TWO
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
    return deepcopy(dict(TWO_TWO_TWO))
