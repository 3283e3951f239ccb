"""Compiled kernels that do in one pass over memory what NumPy does in ten, bit for bit the same.

They need numba (the extra `fused`) and are used once a process has asked for them, before it makes a plan. Without
them nothing is missing: each stands beside the NumPy calls it replaces, and a test holds the two to the same bits.
Contraction into fused multiply-adds, which would round differently, is off.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from core.arrays import Array
from core.errors import CoreError

Kernel = Callable[..., None]

_enabled = [False]


class NumbaMissing(CoreError):
    """The compiled kernels need numba: install the extra `fused`, or leave BACKPROP_FUSED unset."""


def enable(*, on: bool = True) -> None:
    """Use compiled kernels in the plans that this process makes from now on. Raises NumbaMissing."""
    if on:
        adam_kernel()
    _enabled[0] = on


def is_used_for(array: Array) -> bool:
    """Whether a kernel is to be bound: not under the complex step."""
    return _enabled[0] and array.dtype.kind == "f"


@lru_cache(maxsize=1)
def adam_kernel() -> Kernel:
    """`kernel(θ, g, M, V, β₁, β₂, ε, rate)`: see `core.adam.adam_step`.

    5,699 parameters take 2.4 µs where the ten calls take 9; at 670,000 memory is the limit, and it takes 0.6.
    """
    try:
        from numba import njit  # noqa: PLC0415  # an optional package
    except ModuleNotFoundError as error:
        raise NumbaMissing(str(NumbaMissing.__doc__)) from error

    # error_model="numpy": a division by zero gives inf; checking for it would keep the loop from being vectorized.
    @njit(error_model="numpy", cache=True)
    def adam(  # noqa: PLR0917
        theta: Array, gradient: Array, total: Array, squares: Array, beta1: Array, beta2: Array, eps: Array, rate: Array
    ) -> None:
        first, second, least, step = beta1[()], beta2[()], eps[()], rate[()]
        for i in range(theta.size):
            g = gradient[i]
            total[i] = total[i] * first + g
            squares[i] = squares[i] * second + g * g
            theta[i] -= total[i] / (np.sqrt(squares[i]) + least) * step

    vector, number = np.ones(1, np.float32), np.ones((), np.float32)
    # Compiled for the usual precision here, and not in somebody's first step.
    kernel: Kernel = adam
    kernel(*(vector.copy() for _ in range(4)), *[number] * 4)
    return kernel
