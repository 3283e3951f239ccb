"""What is said about a run: a code, how bad it is, the number it rests on, and what would have been instead."""

from typing import Any, Literal

from core.arrays import Model

Severity = Literal["critical", "warning", "information"]


class Operand(Model):
    """The range of an array, of those of its entries that are finite."""

    name: str
    least: float | None
    """null where no entry is finite."""

    largest: float | None
    finite: int
    """How many entries are finite, of `entries`."""

    entries: int


class Evidence(Model):
    """The number a verdict rests on, beside those it has in runs that learn."""

    measure: str
    """What was measured, with its formula."""

    value: float | None
    """null where it was not finite."""

    healthy: tuple[float | None, float | None]
    """From and to; null where there is no bound."""

    operands: list[Operand] | None = None
    """Of numbers that overflowed: what they were computed from, and themselves last."""


class Verdict(Model):
    """One thing that holds of a run."""

    code: str
    """Which rule says so."""

    severity: Severity
    """`critical`: it will not learn so. `warning`: it learns worse than it could. `information`: good to know."""

    node: str | None
    """Where it shows most, if it is of one node."""

    epochs: tuple[int, int]
    """The first and the last epoch in which it held; 0 is before training."""

    evidence: Evidence
    advice: str
    """What to do, in a sentence."""

    counterfactual: dict[str, Any] | None = None
    """The same measure of the same network on the same rows with one thing changed, computed and not guessed; null
    where there is nothing to change or to compare."""


def is_healthy(verdicts: list[Verdict]) -> bool:
    """Whether nothing is wrong: information, such as that a run has converged, is no complaint."""
    return all(verdict.severity == "information" for verdict in verdicts)
