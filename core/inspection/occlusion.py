"""What the output loses when a part of an example is set to the baseline."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from core.arrays import Array, Shape, size_of
from core.inspection.explained import Explained, Points

Part = tuple[str, tuple[slice | int, ...]]
"""A place, and where in one example's value."""


def parts_of(shapes: dict[str, Shape], patch: Sequence[int] | None, stride: Sequence[int] | None) -> Iterator[Part]:
    """Every entry by itself; or a patch over the last axes that moves by strides, all other axes together."""
    for name, shape in shapes.items():
        if patch is None:
            yield from ((name, index) for index in np.ndindex(shape))
            continue
        sizes = shape[len(shape) - len(patch) :]
        steps = stride or patch
        for corner in product(*(range(0, size, step) for size, step in zip(sizes, steps, strict=True))):
            window = (slice(start, start + size) for start, size in zip(corner, patch, strict=True))
            yield name, (*(slice(None) for _ in shape[: len(shape) - len(patch)]), *window)


def count_of(shapes: dict[str, Shape], patch: Sequence[int] | None, stride: Sequence[int] | None) -> int:
    """How many parts there are."""
    if patch is None:
        return sum(size_of(shape) for shape in shapes.values())
    steps = stride or patch
    sizes = (shape[len(shape) - len(patch) :] for shape in shapes.values())
    return sum(size_of([-(-size // step) for size, step in zip(one, steps, strict=True)]) for one in sizes)


def occlusions(explained: Explained, baseline: Points, parts: Iterator[Part]) -> dict[str, Array]:
    """f(x) − f(x with the part at the baseline) for each entry; the mean over the patches that cover it.

    Source: Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2.
    """
    sums = {name: np.zeros_like(array) for name, array in explained.point.items()}
    counts = {name: np.zeros(array.shape[1:]) for name, array in explained.point.items()}
    for name, index in parts:
        hidden = explained.point[name].copy()
        hidden[:, *index] = baseline[name][:, *index]
        with np.errstate(all="ignore"):
            lost = explained.value_at_point - explained.value({**explained.point, name: hidden})
            part = sums[name][:, *index]
            sums[name][:, *index] = part + lost.reshape(-1, *[1] * (part.ndim - 1))
        counts[name][index] += 1
    return {name: sums[name] / counts[name] for name in sums}
