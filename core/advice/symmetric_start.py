"""Hidden units that start alike."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np

from core.advice.rule import Advice, Rule
from core.advice.situation import Situation
from core.graph.graph import Node
from core.ops.add import Add


class SymmetricStart(Rule):
    """All weights of a hidden layer are one number, or all its units are given the same weights.

    Last layers may start at 0, which is even odds, and so may the last layer of a branch that is added to another: the
    signal goes by the other way at first.
    """

    code: Literal["symmetric_start"] = "symmetric_start"

    source: ClassVar[str | None] = "Goodfellow, Bengio & Courville 2016, section 8.4"

    def find(self, situation: Situation) -> Iterator[Advice]:
        hidden = _with_weights_behind(situation)
        for node in situation.graph.nodes:
            if node.id in hidden and _starts_alike(situation, node) and not _is_added(situation, node):
                sentence = (
                    f"Draw the weights of {node.id!r} at random, for example with glorot_uniform: its units start "
                    "alike, get the same signal and hardly become different; a rectifier behind zeros never wakes."
                )
                yield self.advice("warning", sentence, node=node.id, pointer=situation.place(node))


def _starts_alike(situation: Situation, node: Node) -> bool:
    if node.id not in situation.starts:
        return False
    drawn = {name: parameter for name, parameter in node.parameters.items() if parameter.is_drawn}
    given = node.op.params or {}
    for name, parameter in drawn.items():
        if parameter.shape[parameter.unit_axis] < 2:
            return False
        if name not in given:
            if not situation.starts[node.id].is_constant:
                return False
            continue
        units = np.moveaxis(given[name], parameter.unit_axis, 0)
        if (units != units[0]).any():
            return False
    return True


def _with_weights_behind(situation: Situation) -> set[str]:
    """Nodes from which a way leads to another node with weights."""
    found: set[str] = set()
    for node in reversed(situation.graph.nodes):
        if node.id in found or any(parameter.is_drawn for parameter in node.parameters.values()):
            found.update(node.inputs)
    return found


def _is_added(situation: Situation, node: Node) -> bool:
    """Whether its value is added to another."""
    readers = list(situation.graph.readers.get(node.id, ()))
    while len(readers) == 1 and readers[0].op.only_moves:
        readers = list(situation.graph.readers.get(readers[0].id, ()))
    return any(isinstance(reader.op, Add) and len(reader.inputs) > 1 for reader in readers)
