"""Dropout behind which there is nothing but the loss."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from core.advice.rule import Advice, Rule
from core.advice.situation import Situation
from core.ops.dropout import Dropout


class DropoutOnOutput(Rule):
    """A loss looks at what dropout has left of the outputs: in training it is told that predictions are 0 which are
    not."""

    code: Literal["dropout_on_output"] = "dropout_on_output"

    source: ClassVar[str | None] = "Srivastava et al. 2014, Dropout, section 4: it is for inputs and hidden units"

    def find(self, situation: Situation) -> Iterator[Advice]:
        for place, loss, made in situation.losses():
            if isinstance(made.op, Dropout) and made.op.p > 0.0:
                sentence = (
                    f"Move {made.id!r} before the last layer: here it drops predictions, and {loss.kind} then asks for "
                    "corrections of what was right."
                )
                yield self.advice("warning", sentence, node=made.id, pointer=place)
