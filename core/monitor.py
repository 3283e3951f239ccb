"""The curves of a run that can be watched."""

from typing import Literal

Monitor = Literal[
    "validation.loss",
    "validation.accuracy",
    "validation.rmse",
    "training.loss",
    "training.accuracy",
    "training.rmse",
]
"""A curve that can be watched."""


def should_rise(monitor: Monitor) -> bool:
    """Whether the highest value is best: of accuracy it is, of losses and errors the lowest."""
    return monitor.endswith(".accuracy")
