"""Sequences: examples of shape (steps, features)."""

from collections.abc import Sequence

from core.arrays import Shape
from core.op import ShapeMismatch


def sequence_shape(inputs: Sequence[Shape]) -> tuple[int, int]:
    """Steps and features of an example that is a sequence (L, d).

    Raises ShapeMismatch for anything else.
    """
    (shape,) = inputs
    if len(shape) == 2:
        return shape[0], shape[1]
    hint = f"; one number a step is [{shape[0]}, 1], and token ids go through an embedding" if len(shape) == 1 else ""
    raise ShapeMismatch(f"needs a sequence, of shape [steps, features], and gets {list(shape)}{hint}")
