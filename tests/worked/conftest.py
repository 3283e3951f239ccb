from tests.trained import a_dataset, run_next, train

__all__ = ["a_dataset", "run_next", "train"]
