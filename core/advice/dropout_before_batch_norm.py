"""Dropout whose output batch normalization measures."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from core.advice.rule import Advice, Rule
from core.advice.situation import LINEAR, Situation
from core.evidence import Evidence
from core.graph.graph import Node
from core.ops.batch_norm import BatchNorm
from core.ops.dropout import Dropout


class DropoutBeforeBatchNorm(Rule):
    """Dropout right before batch_norm, or one layer before: in training the variance is 1/(1 − p) times as large for
    signals of mean 0, and the running variance is that of training."""

    code: Literal["dropout_before_batch_norm"] = "dropout_before_batch_norm"

    source: ClassVar[str | None] = (
        "Li et al. 2018, Understanding the disharmony between dropout and batch normalization by variance shift"
    )

    def find(self, situation: Situation) -> Iterator[Advice]:
        for node in situation.graph.nodes:
            if isinstance(node.op, BatchNorm):
                yield from self._before(situation, node)

    def _before(self, situation: Situation, norm: Node) -> Iterator[Advice]:
        before, is_direct = situation.made(norm.inputs[0]), True
        if before is not None and isinstance(before.op, LINEAR):
            before, is_direct = situation.made(before.inputs[0]), False
        if before is None or not isinstance(before.op, Dropout) or before.op.p == 0.0:
            return
        kept = 1.0 - before.op.p
        sentence = (
            f"Put {before.id!r} behind {norm.id!r}: dropout makes the variance larger that batch_norm measures in "
            f"training, and in evaluation, without dropout, it is {kept:.0%} of that for signals of mean 0."
        )
        yield self.advice(
            "warning" if is_direct else "information",
            sentence,
            node=before.id,
            pointer=situation.place(before),
            evidence=Evidence(measure="variance_in_evaluation_over_training", value=kept, healthy=(1.0, 1.0)),
        )
