"""Metrics, one kind a file."""

from core.metric import Metric, Task
from core.registry import kinds

METRICS = kinds(__name__, Metric, "kind")


def metrics_of(task: Task) -> dict[str, type[Metric]]:
    """The metrics that judge one task, by name."""
    return {name: metric for name, metric in METRICS.items() if metric.task == task}
