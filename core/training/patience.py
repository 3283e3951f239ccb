"""What early stopping would have chosen on a curve that is known, for one patience or for all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.training.stopping import EarlyStopping, StoppingState, Verdict


@dataclass(frozen=True)
class Choice:
    """Where a run would have stopped, and which epoch would have been best; epochs count as the curve does."""

    patience: int
    stop_epoch: int | None
    """None if the curve ends before."""

    best_epoch: int | None
    best_value: float | None
    reason: Verdict | None


def choices(rule: EarlyStopping, curve: Iterable[tuple[int, float]], most: int) -> Sequence[Choice]:
    """The choices of the patiences 1 … `most`, in one pass over (epoch, value): epochs are counted from 0.

    What is best and how long it is waited for depends on the patience in nothing but its end: patience p stops when
    the wait first comes to p.
    """
    endless, state = rule.model_copy(update={"patience": most + 1}), StoppingState()
    found: list[Choice] = []
    for epoch, value in curve:
        endless.observe(state, epoch, value)
        if state.verdict == "non_finite":
            return [*found, *_rest(found, most, state, epoch)]
        if state.wait > len(found):
            found.append(Choice(state.wait, epoch, state.best_epoch, state.best_value, "patience"))
        if len(found) == most:
            return found
    return [*found, *_rest(found, most, state, None)]


def _rest(found: Sequence[Choice], most: int, state: StoppingState, stop_epoch: int | None) -> Iterable[Choice]:
    """All that are more patient than those that have stopped."""
    reason = state.verdict if stop_epoch is not None else None
    for patience in range(len(found) + 1, most + 1):
        yield Choice(patience, stop_epoch, state.best_epoch, state.best_value, reason)
