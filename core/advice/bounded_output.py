"""A last activation with bounds, in front of a loss of plain numbers."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from core.advice.rule import Advice, Rule
from core.advice.situation import Situation
from core.advice.squashed_logits import words_of_bounds
from core.entrywise import Entrywise
from core.graph.graph import Node
from core.ops.softmax import Softmax


class BoundedOutput(Rule):
    """Squared errors and their like of a sigmoid, tanh, relu …: targets beyond its bounds are never met.

    It is only told: who knows that all targets are within the bounds may mean it.
    """

    code: Literal["bounded_output"] = "bounded_output"

    source: ClassVar[str | None] = "Golik, Doetsch & Ney 2013, Cross-entropy vs. squared error training"

    def find(self, situation: Situation) -> Iterator[Advice]:
        for place, loss, made in situation.losses():
            bounds = made.op.bounds
            if loss.output_scale is not None or bounds == (None, None) or not isinstance(loss, Entrywise):
                continue
            gives = f"{made.op.op} gives only {words_of_bounds(bounds)}"
            sentence = f"Leave out {made.id!r}, unless all targets are within: {gives}"
            sentence += f", and a job standardizes targets for {loss.kind}" if loss.has_free_units else ""
            yield self.advice("information", f"{sentence}.{_better(made)}", node=made.id, pointer=place)


def _better(made: Node) -> str:
    """A loss that takes what the activation stands for."""
    if isinstance(made.op, Softmax):
        return " For classes use cross_entropy on what goes into it."
    if made.op.bounds == (0.0, 1.0):
        return " For yes and no use bce_with_logits, whose gradient does not fade where an answer is wrong."
    return ""
