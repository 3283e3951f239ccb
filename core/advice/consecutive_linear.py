"""Two layers that are one."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from core.advice.rule import Advice, Rule
from core.advice.situation import LINEAR, Situation
from core.graph.graph import Node
from core.ops.dense import Dense
from core.ops.dropout import Dropout


class ConsecutiveLinear(Rule):
    """A layer feeds the next without an activation between: x W₁ W₂ is x W with W = W₁ W₂, and no more can be learned.

    Two dense layers through fewer units than either side has are a factored matrix, which may be meant, and so are
    convolutions of groups, of which the next mixes the channels.
    """

    code: Literal["consecutive_linear"] = "consecutive_linear"

    source: ClassVar[str | None] = "Goodfellow, Bengio & Courville 2016, section 6.1"

    def find(self, situation: Situation) -> Iterator[Advice]:
        for node in situation.graph.nodes:
            first = _layer_before(situation, node) if isinstance(node.op, LINEAR) else None
            if first is not None and not _is_factored(first, node):
                sentence = (
                    f"Put an activation between {first.id!r} and {node.id!r}, or leave one of them out: together they "
                    "are one linear layer and can learn no more than that."
                )
                yield self.advice("warning", sentence, node=node.id, pointer=situation.place(node))


def _layer_before(situation: Situation, node: Node) -> Node | None:
    """The linear layer of which all goes to this one, with nothing on the way but other shapes and dropout."""
    before = situation.graph.node.get(node.inputs[0])
    while before is not None and situation.is_only_read_once(before):
        if isinstance(before.op, LINEAR):
            return before
        if not (before.op.only_moves or isinstance(before.op, Dropout)):
            return None
        before = situation.graph.node.get(before.inputs[0])
    return None


def _is_factored(first: Node, second: Node) -> bool:
    if getattr(first.op, "groups", 1) > 1:
        return True
    if not (isinstance(first.op, Dense) and isinstance(second.op, Dense)):
        return False
    return first.shape[-1] < min(first.input_shapes[0][-1], second.shape[-1])
