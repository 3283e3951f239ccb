"""Max-norm: after each update no unit's incoming weights are longer than a bound."""

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, smaller
from core.graph.graph import Graph


class MaxNorm:
    """Calls for w ← w · min(1, bound / |w|) for the weights w that feed one unit; biases are left alone.

    Source: Srebro & Shraibman 2005, "Rank, trace-norm and max-norm"; Srivastava et al. 2014, section 5.1.
    """

    def __init__(self, graph: Graph, flat: Array, bound: float) -> None:
        views = graph.views(flat)
        weights = [(views[piece.node][piece.name], piece.unit_axis) for piece in graph.layout if not piece.is_bias]
        self.calls = [one for tensor, axis in weights for one in _shorten(tensor, axis, bound)]


def _shorten(tensor: Array, unit_axis: int, bound: float) -> list[Call]:
    """Calls that scale each unit's weights; a length of 0 is held at the smallest number, whose factor is cut to 1."""
    others = tuple(axis for axis in range(tensor.ndim) if axis != unit_axis % tensor.ndim)
    squares = np.zeros_like(tensor)
    factor = np.zeros([size if axis not in others else 1 for axis, size in enumerate(tensor.shape)], tensor.dtype)
    one, limit, least = constant(1.0, tensor), constant(bound, tensor), np.finfo(tensor.dtype).tiny
    return [
        call(np.multiply, tensor, tensor, squares),
        call(np.add.reduce, squares, others, None, factor, True),
        call(np.sqrt, factor, factor),
        call(np.maximum, factor, constant(float(least), tensor), out=factor),
        call(np.divide, limit, factor, factor),
        smaller(factor, one, factor),
        call(np.multiply, tensor, factor, tensor),
    ]
