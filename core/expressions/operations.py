"""The elementary operations a formula is made of: value, first and second derivatives, all on one screen.

Where a derivative has a kink, one value is chosen: relu'(0) = 0, |x|'(0) = 0, and arguments that tie in min
or max share the derivative equally, as their average slope does.
"""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

Operands = tuple[float, ...]


@dataclass(frozen=True)
class Operation:
    """One way to make a number of numbers.

    The functions may raise ArithmeticError or ValueError, or return a non-finite number, where they are undefined.
    """

    value: Callable[[Operands], float]
    first: Callable[[Operands, int], float]
    """d value / d operand i."""

    second: Callable[[Operands, int, int], float]
    """d² value / d operand i d operand j, for i <= j."""

    demand: str = "its result is too large for a float64"
    """Why there may be no number, in words that follow 'because'."""

    least: int = 1
    most: int | None = 1
    """How many operands it takes; no upper bound if None."""

    branch: Callable[[Operands], Hashable] | None = None
    """Which smooth piece the operands are in; only where there are several."""

    on_kink: Callable[[Operands], bool] | None = None


def sigmoid(x: float) -> float:
    """1 / (1 + e⁻ˣ), without overflow at either end."""
    small = math.exp(-abs(x))
    return 1 / (1 + small) if x >= 0 else small / (1 + small)


def sigmoid_slope(x: float) -> float:
    """σ(x) σ(-x): unlike σ (1 - σ) it keeps its digits where σ is nearly 1."""
    return sigmoid(x) * sigmoid(-x)


def tanh_slope(x: float) -> float:
    """1 / cosh²x as 4 σ(2x) σ(-2x): unlike 1 - tanh² it keeps its digits where tanh is nearly 1."""
    return 4 * sigmoid_slope(2 * x)


def _unary(
    value: Callable[[float], float],
    first: Callable[[float], float],
    second: Callable[[float], float],
    demand: str = Operation.demand,
) -> Operation:
    return Operation(lambda x: value(x[0]), lambda x, i: first(x[0]), lambda x, i, j: second(x[0]), demand)


def _kinked(value: Callable[[float], float], first: Callable[[float], float]) -> Operation:
    """Two straight pieces that meet at 0."""
    return Operation(
        lambda x: value(x[0]),
        lambda x, i: first(x[0]),
        lambda x, i, j: 0.0,
        branch=lambda x: _sign(x[0]),
        on_kink=lambda x: x[0] == 0,
    )


def _sign(x: float) -> int:
    return (x > 0) - (x < 0)


def _division_second(x: Operands, i: int, j: int) -> float:
    """d²(a/b): 0 for aa, -1/b² for ab, 2a/b³ for bb."""
    if j == 0:
        return 0.0
    return -1 / x[1] / x[1] if i == 0 else 2 * (x[0] / x[1] / x[1] / x[1])


def _power_first(x: Operands, i: int) -> float:
    """d(bᵉ): e bᵉ⁻¹ for b, bᵉ ln b for e. A factor of exactly 0 settles it before 0ᵉ⁻¹ or ln 0 is asked for."""
    base, exponent = x
    if i == 0:
        return 0.0 if exponent == 0 else exponent * math.pow(base, exponent - 1)
    return _times_log_power(math.pow(base, exponent), base, 1)


def _power_second(x: Operands, i: int, j: int) -> float:
    base, exponent = x
    if j == 0:
        factor = exponent * (exponent - 1)
        return 0.0 if factor == 0 else factor * math.pow(base, exponent - 2)
    if i == 0:
        slope = math.pow(base, exponent - 1)
        return slope + exponent * _times_log_power(slope, base, 1)
    return _times_log_power(math.pow(base, exponent), base, 2)


def _times_log_power(factor: float, base: float, power: int) -> float:
    """factor · (ln base)^power, with the limit 0 where both the factor and the base are 0."""
    return 0.0 if factor == 0 and base == 0 else factor * math.log(base) ** power


def _extreme(choose: Callable[[Operands], float]) -> Operation:
    """The smallest or largest operand; those that tie share the derivative equally."""

    def leaders(x: Operands) -> tuple[int, ...]:
        best = choose(x)
        return tuple(i for i, operand in enumerate(x) if operand == best)

    def first(x: Operands, i: int) -> float:
        best = leaders(x)
        return 1 / len(best) if i in best else 0.0

    return Operation(
        choose,
        first,
        lambda x, i, j: 0.0,
        least=2,
        most=None,
        branch=leaders,
        on_kink=lambda x: len(leaders(x)) > 1,
    )


_POSITIVE: Final = "it needs an operand above 0"

OPERATIONS: Final[dict[str, Operation]] = {
    "add": Operation(lambda x: x[0] + x[1], lambda x, i: 1.0, lambda x, i, j: 0.0, least=2, most=2),
    "sub": Operation(lambda x: x[0] - x[1], lambda x, i: (1.0, -1.0)[i], lambda x, i, j: 0.0, least=2, most=2),
    "mul": Operation(lambda x: x[0] * x[1], lambda x, i: x[1 - i], lambda x, i, j: float(i != j), least=2, most=2),
    "div": Operation(
        lambda x: x[0] / x[1],
        lambda x, i: 1 / x[1] if i == 0 else -(x[0] / x[1] / x[1]),
        _division_second,
        "it needs a divisor that is not 0, nor so small that the result overflows",
        least=2,
        most=2,
    ),
    "pow": Operation(
        lambda x: math.pow(x[0], x[1]),
        _power_first,
        _power_second,
        "a base below 0 needs a constant whole exponent, a base of 0 one that is not negative, and no result overflows",
        least=2,
        most=2,
    ),
    "neg": _unary(lambda x: -x, lambda x: -1.0, lambda x: 0.0),
    "exp": _unary(math.exp, math.exp, math.exp),
    "log": _unary(math.log, lambda x: 1 / x, lambda x: -1 / x / x, _POSITIVE),
    "sqrt": _unary(
        math.sqrt,
        lambda x: 0.5 / math.sqrt(x),
        lambda x: -0.25 / x / math.sqrt(x),
        "it needs an operand of 0 or more, and its slope at 0 is infinite",
    ),
    "sin": _unary(math.sin, math.cos, lambda x: -math.sin(x)),
    "cos": _unary(math.cos, lambda x: -math.sin(x), lambda x: -math.cos(x)),
    "tan": _unary(
        math.tan,
        lambda x: 1 + math.tan(x) ** 2,
        lambda x: 2 * math.tan(x) * (1 + math.tan(x) ** 2),
    ),
    "tanh": _unary(math.tanh, tanh_slope, lambda x: -2 * math.tanh(x) * tanh_slope(x)),
    "sigmoid": _unary(sigmoid, sigmoid_slope, lambda x: sigmoid_slope(x) * (sigmoid(-x) - sigmoid(x))),
    "relu": _kinked(lambda x: max(x, 0.0), lambda x: float(x > 0)),
    "abs": _kinked(abs, lambda x: float(_sign(x))),
    "min": _extreme(min),
    "max": _extreme(max),
}

FUNCTIONS: Final = (
    "exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sigmoid", "relu", "abs", "min", "max",
)  # fmt: skip
"""The operations that are called by name; the others have signs."""
