"""Axes as specs count them: the batch is axis 0, and negative numbers count from the end."""

from core.arrays import Shape
from core.op import ShapeMismatch


def example_axis(axis: int, shape: Shape) -> int:
    """The place of `axis` in the shape of one example, and so in an array of examples side by side.

    Raises ShapeMismatch for the batch and for axes that are not.
    """
    count = len(shape) + 1
    if not -count <= axis < count:
        raise ShapeMismatch(f"has no axis {axis}: its input has {count} axes, the batch counted")
    if axis % count == 0:
        raise ShapeMismatch(f"cannot work along axis {axis}, the batch: examples must not depend on each other")
    return axis % count - 1
