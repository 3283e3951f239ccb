"""A softmax in front of a loss that takes one itself."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from core.advice.rule import Advice, Rule
from core.advice.situation import Situation
from core.ops.softmax import Softmax


class DoubleSoftmax(Rule):
    """A loss of logits looks at the probabilities of a softmax, and squeezes them again."""

    code: Literal["double_softmax"] = "double_softmax"

    source: ClassVar[str | None] = "Goodfellow, Bengio & Courville 2016, section 6.2.2.3"

    def find(self, situation: Situation) -> Iterator[Advice]:
        for place, loss, made in situation.losses():
            if loss.output_scale == "logits" and isinstance(made.op, Softmax):
                sentence = (
                    f"Leave out {made.id!r}: {loss.kind} takes logits and turns them into probabilities itself. Of "
                    "numbers between 0 and 1 it makes nearly even odds, and hardly any gradient gets through both."
                )
                yield self.advice("warning", sentence, node=made.id, pointer=place)
