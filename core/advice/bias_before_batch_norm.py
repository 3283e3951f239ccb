"""A bias that batch normalization takes away again."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from core.advice.rule import Advice, Rule
from core.advice.situation import LINEAR, Situation
from core.ops.batch_norm import BatchNorm
from core.ops.dense import Dense


class BiasBeforeBatchNorm(Rule):
    """A dense layer or convolution with a bias, all of whose values go to batch_norm: subtracting the mean takes the
    bias out, so that its gradient is 0, and beta stands in for it. A dense layer of several positions is none of them:
    there a channel is a position."""

    code: Literal["bias_before_batch_norm"] = "bias_before_batch_norm"

    source: ClassVar[str | None] = "Ioffe & Szegedy 2015, Batch normalization, section 3.2"

    def find(self, situation: Situation) -> Iterator[Advice]:
        for node in situation.graph.nodes:
            before = situation.graph.node.get(node.inputs[0])
            if before is None or not isinstance(node.op, BatchNorm) or not isinstance(before.op, LINEAR):
                continue
            spans_positions = isinstance(before.op, Dense) and len(before.shape) > 1
            if "b" in before.parameters and situation.is_only_read_once(before) and not spans_positions:
                sentence = (
                    f'Give {before.id!r} `"bias": false`: {node.id!r} subtracts the mean, and its beta is the bias.'
                )
                yield self.advice("information", sentence, node=before.id, pointer=situation.place(before))
