"""From a job's description and a table to a run: what was left open is decided here, and said."""

from core.experiment.resolve import Experiment, resolve, split_of
from core.experiment.spec import ExperimentSpec, SplitSpec

__all__ = ["Experiment", "ExperimentSpec", "SplitSpec", "resolve", "split_of"]
