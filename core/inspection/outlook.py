"""What the sizes of signals at the start say of a network: a word, and the numbers behind it."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from core.evidence import Evidence
from core.inspection.start import Layers, Reading

Verdict = Literal["saturates", "vanishes", "explodes", "healthy"]

LEAST_DEPTH = 3
"""Layers from which on a signal can be said to shrink or grow with depth."""

LEAST_QUOTIENT = 1e-3
MOST_GROWTH = 2.0
MOST_SATURATED = 0.25


Outlook = tuple[Verdict, str, list[Evidence]]
Readings = Sequence[Sequence[Reading]]
"""Of every layer, for every seed."""


def judge(layers: Layers, readings: Readings) -> Outlook:
    """The verdict on one start, its sentence and its evidence, what decided first."""
    found = [
        *_finite(layers, readings),
        *_alive(layers, readings),
        *_back(layers, readings),
        *_slopes(layers, readings),
    ]
    for verdict, sentence, evidence in found:
        if verdict != "healthy":
            return verdict, sentence, [evidence, *(other for _, _, other in found if other is not evidence)]
    sentence = "; ".join(sentence for _, sentence, _ in found)
    return "healthy", sentence or "nothing here could shrink, grow or saturate", [evidence for *_, evidence in found]


Finding = tuple[Verdict, str, Evidence]


def _finite(layers: Layers, readings: Readings) -> list[Finding]:
    count = sum(reading.non_finite for of_layer in readings for reading in of_layer)
    if not count:
        return []
    first = next(
        layer.node.id
        for layer, of_layer in zip(layers.all, readings, strict=True)
        if any(reading.non_finite for reading in of_layer)
    )
    sentence = f"{count} values are no numbers any more, from {first!r} on"
    return [("explodes", sentence, Evidence(measure="non_finite", value=float(count), healthy=(0.0, 0.0)))]


def _alive(layers: Layers, readings: Readings) -> list[Finding]:
    """Hidden layers in which no two entries differ: nothing of the input is left."""
    for layer, of_layer in zip(layers.all, readings, strict=True):
        variance = median([reading.z_variance for reading in of_layer])
        if layer.is_hidden and variance == 0.0 and layers.depth > 1:
            sentence = f"all units of {layer.node.id!r} have one value for every row: nothing of the input is left"
            evidence = Evidence(
                measure="pre_activation_variance", value=0.0, healthy=(float(np.finfo(float).tiny), None)
            )
            return [("vanishes", sentence, evidence)]
    return []


def _back(layers: Layers, readings: Readings) -> list[Finding]:
    """How much of the signal that comes back reaches the first layer."""
    depth = layers.depth
    quotient = median(_quotients(layers, readings))
    if depth < LEAST_DEPTH or quotient is None:
        return []
    growth = quotient ** (1 / (depth - 1))
    steps = f"{depth} layers, a factor of {growth:.2g} each"
    share = f"rms(dL/dz) of the first layer is {quotient:.2g} of the last ({steps})"
    healthy = (LEAST_QUOTIENT, _power(MOST_GROWTH, depth - 1))
    evidence = Evidence(measure="signal_first_over_last", value=quotient, healthy=healthy)
    if growth > MOST_GROWTH:
        growing = Evidence(measure="signal_growth_per_layer", value=growth, healthy=(None, MOST_GROWTH))
        return [
            ("explodes", f"{share}, and more than {MOST_GROWTH:g} each is too much", growing),
            ("healthy", "", evidence),
        ]
    if quotient < LEAST_QUOTIENT:
        return [("vanishes", f"{share}, and less than {LEAST_QUOTIENT:g} hardly lets it learn", evidence)]
    return [("healthy", share, evidence)]


def _quotients(layers: Layers, readings: Readings) -> list[float | None]:
    """q for each seed: the first layers over the last; None where nothing comes back, or where it may not by design.

    A last layer of weights 0 stops all signals in the first step only.
    """
    signals = list(zip(*([reading.signal for reading in of_layer] for of_layer in readings), strict=True))
    return [_quotient(layers, of_seed) for of_seed in signals]


def _quotient(layers: Layers, signals: Sequence[float | None]) -> float | None:
    known = [(layer.depth, signal) for layer, signal in zip(layers.all, signals, strict=True) if signal is not None]
    deepest = max((depth for depth, _ in known), default=0)
    first = _rms([signal for depth, signal in known if depth == 1])
    last = _rms([signal for depth, signal in known if depth == deepest])
    if not last or not any(signal for depth, signal in known if depth < deepest):
        return None
    return first / last


def _slopes(layers: Layers, readings: Readings) -> list[Finding]:
    """The largest share of flat slopes in a hidden layer."""
    shares = {
        layer.node.id: median([reading.saturated for reading in of_layer])
        for layer, of_layer in zip(layers.all, readings, strict=True)
        if layer.is_hidden
    }
    known = {name: share for name, share in shares.items() if share is not None}
    if not known:
        return []
    name = max(known, key=lambda node: known[node])
    sentence = f"{known[name]:.0%} of the slopes behind {name!r} are below 6 % of the steepest"
    evidence = Evidence(measure="saturated", value=known[name], healthy=(0.0, MOST_SATURATED))
    if known[name] > MOST_SATURATED:
        return [("saturates", f"{sentence}, and more than {MOST_SATURATED:.0%} is too much", evidence)]
    return [("healthy", sentence, evidence)]


def median(values: Sequence[float | None]) -> float | None:
    """The median of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _rms(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values else 0.0


def _power(base: float, exponent: int) -> float | None:
    """base^exponent; None where that is beyond every float64."""
    return base**exponent if exponent < 1000 else None
