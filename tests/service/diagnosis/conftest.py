"""Jobs that a test trains."""

from tests.trained import a_dataset, train

__all__ = ["a_dataset", "train"]
