"""A loss of probabilities, or of their logarithms, in front of which nothing makes any."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from core.advice.rule import Advice, Rule
from core.advice.situation import Situation
from core.advice.squashed_logits import words_of_bounds
from core.classes import Scale
from core.graph.graph import Node
from core.pointwise import Pointwise

_INSTEAD = {
    "bce": "Put a sigmoid before it, or use bce_with_logits, which is the more exact",
    "categorical_ce_probs": "Put a softmax before it, or use cross_entropy_soft, which is the more exact",
    "nll": "Put a log_softmax before it, or use cross_entropy, which is both",
    "kl_div": "Put a log_softmax before it",
}
_WORDS = {"probabilities": "probabilities from 0 to 1", "log_probabilities": "logarithms of probabilities, from 0 down"}


class NotProbabilities(Rule):
    """The loss takes the logarithm of numbers that may be negative, or takes numbers for logarithms that are none.

    Only layers and activations are judged: what sums and products give can be anything.
    """

    code: Literal["not_probabilities"] = "not_probabilities"

    source: ClassVar[str | None] = "Goodfellow, Bengio & Courville 2016, section 6.2.2"

    def find(self, situation: Situation) -> Iterator[Advice]:
        for place, loss, made in situation.losses():
            scale = loss.output_scale
            if scale is None or scale == "logits" or not _is_told(made) or _fits(made, scale):
                continue
            bounds = made.op.bounds
            gives = "any numbers" if bounds == (None, None) else words_of_bounds(bounds)
            instead = _INSTEAD.get(loss.kind, "Choose a loss that takes logits")
            sentence = f"{instead}: {loss.kind} takes {_WORDS[scale]}, and {made.id!r} ({made.op.op}) gives {gives}."
            yield self.advice("warning", sentence, node=made.id, pointer=place)


def _is_told(made: Node) -> bool:
    """Whether it is known what kind of numbers the node gives."""
    has_weights = any(parameter.is_drawn for parameter in made.parameters.values())
    return has_weights or isinstance(made.op, Pointwise) or made.op.bounds != (None, None)


def _fits(made: Node, scale: Scale) -> bool:
    low, high = made.op.bounds
    if scale == "log_probabilities":
        return high is not None and high <= 0.0
    return low is not None and low >= 0.0 and high is not None and high <= 1.0
