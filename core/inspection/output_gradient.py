"""One output of a network and its gradient: a backward pass that begins at a unit instead of at the loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from core.arrays import Array, Model, Shape
from core.classes import Scale
from core.data.preparation import Preparation
from core.data.targets import Label
from core.errors import Invalid, Problem
from core.graph.graph import Graph
from core.graph.interpreter import Pass, Rule, back_propagate, chain_rule
from core.inspection.batch import Posed
from core.inspection.tensors import nested
from core.op import Name
from core.prediction import class_labels

Taken = Literal["named", "only", "largest"]


class OutputChoice(Model):
    """One number of each example: a unit of a node. `2` is short for the unit 2 of the output, `"h"` for the node h."""

    node: Name | None = None
    """A node; left out, the one whose value is the prediction."""

    index: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=30)] | None = None
    """Which entry of its value, one number an axis; left out, the only one, or the largest of each example."""

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return {"index": [value]}
        return {"node": value} if isinstance(value, str) else value


Choice = Annotated[OutputChoice, BeforeValidator(lambda value: value, json_schema_input_type=OutputChoice | int | str)]


class OutputView(Model):
    """The output that was taken, and its value for each example."""

    node: str
    index: list[list[int]]
    """The entry of each example, one number an axis."""

    taken: Taken
    """`named` in the request, the `only` one, or the `largest` of each example: the predicted class."""

    scale: Scale | None
    """What the loss takes it for: `logits` are the scores before the softmax; null for numbers and other nodes."""

    labels: list[Label] | None
    """Of a model that tells classes apart: the class of each example's entry."""

    values: list[float | None]
    """null where it is not finite."""


@dataclass(frozen=True)
class Output:
    """An entry of one node's value for each of n examples."""

    node: str
    index: Array
    """(n, axes)."""

    taken: Taken

    def values(self, done: Pass) -> Array:
        """(n,)."""
        values: Array = done.values[self.node][(np.arange(len(self.index)), *self.index.T)]
        return values

    def seed(self, shape: Shape) -> Array:
        """d output / d value of its node: (n, *shape), 1 at the entry of each example."""
        seed = np.zeros((len(self.index), *shape))
        seed[(np.arange(len(seed)), *self.index.T)] = 1.0
        return seed

    def differentiate(self, graph: Graph, done: Pass, rule: Rule = chain_rule) -> None:
        """Write d output / d everything into a pass that has run forward; by parameters summed over the examples."""
        with np.errstate(all="ignore"):
            back_propagate(graph, done, [(self.node, self.seed(graph.shape_of(self.node)))], rule)


def choose(posed: Posed, choice: OutputChoice, place: str) -> Output:
    """The output of each example that is meant. Raises Invalid below `place`."""
    graph = posed.graph
    node = choice.node or graph.output
    if node not in graph.node:
        detail = "the network has no node of this name"
        raise Invalid([Problem(f"{place}/node", detail, allowed=list(graph.node)[:20], got=node)])
    shape = graph.shape_of(node)
    if choice.index is not None:
        _check_index(choice.index, shape, f"{place}/index")
        return Output(node, np.tile(np.array(choice.index, np.intp), (posed.examples.rows, 1)), "named")
    if all(size == 1 for size in shape):
        return Output(node, np.zeros((posed.examples.rows, len(shape)), np.intp), "only")
    if len(shape) > 1 or not _are_alternatives(graph, node):
        detail = f"{node!r} has values of shape {list(shape)}, none of which stands for the others: say which one"
        raise Invalid([Problem(f"{place}/index", detail)])
    values = posed.run(backward=False).values[node]
    return Output(node, values.argmax(axis=1)[:, None], "largest")


def _are_alternatives(graph: Graph, node: str) -> bool:
    """Whether the largest entry is more than just large: scores of classes are, several numbers to predict are not."""
    judges = [loss for loss in graph.losses if loss.input == node]
    return not judges or any(loss.output_scale is not None or loss.target_type() == "class" for loss in judges)


def _check_index(index: list[int], shape: Shape, place: str) -> None:
    if len(index) != len(shape) or any(at >= size for at, size in zip(index, shape, strict=True)):
        detail = f"must be one entry of values of shape {list(shape)}, counted from 0"
        raise Invalid([Problem(place, detail, got=index)])


def view_of(output: Output, graph: Graph, values: Array, preparation: Preparation | None) -> OutputView:
    """The output as it stands in an answer."""
    judge = next((loss for loss in graph.losses if loss.input == output.node), None)
    labels = None
    if judge is not None and preparation is not None and output.index.shape[1] == 1 and judge.chooses_one:
        classes = class_labels(preparation.targets[str(judge.target)])
        scored = classes is not None and len(classes) == graph.shape_of(output.node)[0]
        labels = [classes[at] for at in output.index[:, 0]] if classes is not None and scored else None
    shown = nested(values)
    assert isinstance(shown, list)
    return OutputView(
        node=output.node,
        index=output.index.tolist(),
        taken=output.taken,
        scale=None if judge is None else judge.output_scale,
        labels=labels,
        values=shown,
    )


def without_loss(posed: Posed, inputs: Mapping[str, Array] | None = None) -> Posed:
    """The same question of the values alone, by default for the same inputs."""
    examples = type(posed.examples)(posed.examples.inputs if inputs is None else inputs, {})
    return Posed(posed.graph, posed.parameters, examples, posed.training, posed.seed)
