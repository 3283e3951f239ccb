"""All that is needed to go on bit for bit, as bytes: weights, and the memory of the run beside them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.arrays import Array
from core.errors import Invalid, Problem
from core.weights import read_tensors, write_tensors

PROGRESS = "progress"


@dataclass(frozen=True)
class Checkpoint:
    """The state after an epoch; epoch 0 is the state before training."""

    epoch: int
    step: int
    weights: bytes
    memory: bytes
    """Optimizer slots and progress. Random streams are functions of (seed, epoch) and need no room here."""


def memory_to_bytes(slots: Mapping[str, Array], progress: Mapping[str, Any]) -> bytes:
    """Slots as tensors, progress as the UTF-8 of its JSON in one more."""
    text = json.dumps(progress, sort_keys=True, allow_nan=False).encode()
    return write_tensors({**slots, PROGRESS: np.frombuffer(text, np.uint8)})


def memory_from_bytes(content: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    """What `memory_to_bytes` was given. Raises Invalid for bytes of another kind."""
    tensors = read_tensors(content)
    if PROGRESS not in tensors:
        raise Invalid([Problem("", "these bytes are no memory of a run")])
    return tensors, json.loads(tensors.pop(PROGRESS).tobytes())
