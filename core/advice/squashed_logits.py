"""An activation that holds numbers within bounds, in front of a loss that takes any."""

import math
from collections.abc import Iterator
from typing import ClassVar, Literal

from core.advice.rule import Advice, Rule
from core.advice.situation import Situation
from core.evidence import Evidence
from core.graph.graph import Node
from core.loss import Loss
from core.ops.log_softmax import LogSoftmax
from core.ops.softmax import Softmax


class SquashedLogits(Rule):
    """A loss of logits looks at a sigmoid, tanh, relu …, so that it can never be sure of some answers.

    Logits between 0 and 1 give the right one of k classes at most the probability e / (e + k − 1): 0.58 for 3 classes.
    A log_softmax changes nothing and is not meant.
    """

    code: Literal["squashed_logits"] = "squashed_logits"

    source: ClassVar[str | None] = "Goodfellow, Bengio & Courville 2016, section 6.2.2"

    def find(self, situation: Situation) -> Iterator[Advice]:
        for place, loss, made in situation.losses():
            bounds = made.op.bounds
            if loss.output_scale != "logits" or bounds == (None, None) or isinstance(made.op, Softmax | LogSoftmax):
                continue
            sentence = (
                f"Leave out {made.id!r}: {loss.kind} takes logits, which may be any numbers, and {made.op.op} gives "
                f"only {words_of_bounds(bounds)}, so that some answers can never be given with confidence."
            )
            yield self.advice("warning", sentence, node=made.id, pointer=place, evidence=_surest(loss, made))


def words_of_bounds(bounds: tuple[float | None, float | None]) -> str:
    """Bounds in words: `numbers from 0 to 1`, `numbers from 0 on`."""
    low, high = bounds
    if low is None:
        return f"numbers up to {high:g}"
    return f"numbers from {low:g} on" if high is None else f"numbers from {low:g} to {high:g}"


def _surest(loss: Loss, made: Node) -> Evidence | None:
    """The largest probability that the loss can see, where the logits have two bounds."""
    low, high = made.op.bounds
    if low is None or high is None:
        return None
    chooses = loss.chooses_one and made.shape[-1] > 1
    others = (made.shape[-1] - 1) * math.exp(low - high) if chooses else math.exp(-high)
    return Evidence(measure="largest_probability", value=1.0 / (1.0 + others), healthy=(0.99, 1.0))
