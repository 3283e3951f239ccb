"""What is the gradient of the objective, or of one output, with respect to every parameter, input and node?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from core.arrays import Array, Model
from core.data.preparation import Preparation
from core.errors import Invalid, Problem, pointer
from core.graph.interpreter import Pass
from core.inspection.batch import BatchQuestion, Part, Posed
from core.inspection.objective import flat_gradient, objective
from core.inspection.output_gradient import Choice, OutputView, choose, view_of
from core.inspection.question import Library
from core.inspection.tensors import NonFinite, Shown, finite, non_finite

ALL_PARTS: tuple[Part, ...] = ("values", "params", "inputs", "nodes", "state")
OF_A_LOSS: tuple[Part, ...] = ("params", "inputs", "nodes")

Place = tuple[str, ...]
"""Where an array stands in its part: node, or node and parameter."""


class GradientParts(Model):
    """d objective / d everything, or d output; a part that was not asked for is null."""

    params: dict[str, dict[str, Shown]] | None = None
    """By node and parameter, penalties included; shared parameters stand under the node that owns them.

    Of an output the sum over the examples, without penalties.
    """

    inputs: dict[str, Shown] | None = None
    """Whole numbers such as token ids have no gradient and are left out."""

    nodes: dict[str, Shown] | None = None
    """With respect to the value of each node."""


class GradientsAnswer(Model):
    """Forward and backward pass of one batch in float64, as arrays with the shapes of the network."""

    loss: float | None
    """The objective: weighted loss terms plus penalties. null without targets, or where it is not finite."""

    loss_terms: list[float | None]
    """Before their weights."""

    penalties: list[float | None]
    values: dict[str, Shown] | None = None
    """The value of every node."""

    gradients: GradientParts
    of: OutputView | None = None
    """The output whose gradients these are; null where they are those of the objective."""

    state: dict[str, dict[str, Shown]] | None = None
    """Running statistics as this pass would leave them, by node."""

    non_finite: list[NonFinite]
    """Every array here with an infinity or a NaN in it."""


class Gradients(BatchQuestion):
    """The gradients of a batch."""

    question: Literal["gradients"] = "gradients"

    sentence: ClassVar[str] = "What is the gradient of the loss with respect to every parameter, input and node?"

    of: Choice | None = None
    """An output of each example to differentiate instead of the loss; it needs no targets."""

    def answer(self, library: Library) -> GradientsAnswer:
        """Forward and, where there are targets, backward. Raises Invalid."""
        posed = self.pose(library)
        parts = self._parts(posed)
        output = None if self.of is None else choose(posed, self.of, "/of")
        done = posed.run(backward=output is None)
        if output is None:
            return gradients_of(posed, done, parts)
        output.differentiate(posed.graph, done)
        of = view_of(output, posed.graph, output.values(done), self._preparation(library))
        return gradients_of(posed, done, parts, of=of)

    def _parts(self, posed: Posed) -> list[Part]:
        """What to give. Raises Invalid when gradients are asked for by name and there is nothing to differentiate."""
        if posed.has_targets or self.of is not None:
            return list(ALL_PARTS if self.include is None else self.include)
        asked = [part for part in self.include or () if part in OF_A_LOSS]
        if asked:
            detail = (
                "gradients need targets to be gradients of a loss; without them `values` can be given, and "
                "gradients of an output that is named by `of`"
            )
            raise Invalid([Problem(self.targets_place, detail)])
        return list(self.include) if self.include is not None else ["values", "state"]

    def _preparation(self, library: Library) -> Preparation | None:
        return None if self.subject.model is None else library.model(self.subject.model).preparation


def gradients_of(posed: Posed, done: Pass, parts: Sequence[Part], *, of: OutputView | None = None) -> GradientsAnswer:
    """These parts of a pass as an answer; its gradients are those of the objective, or of an output."""
    arrays = {part: dict(_arrays(posed, done, part, penalized=of is None)) for part in parts}
    found = objective(posed.graph, posed.parameters, done) if posed.has_targets else None
    return GradientsAnswer(
        loss=finite(found.total) if found else None,
        loss_terms=[finite(term) for term in found.loss_terms] if found else [],
        penalties=[finite(term) for term in found.penalties] if found else [],
        values=_by_node(arrays.get("values")),
        gradients=GradientParts(
            params=_by_parameter(arrays.get("params")),
            inputs=_by_node(arrays.get("inputs")),
            nodes=_by_node(arrays.get("nodes")),
        ),
        of=of,
        state=_by_parameter(arrays.get("state")),
        non_finite=non_finite((pointer(*_step(part), *at), a) for part in parts for at, a in arrays[part].items()),
    )


def _by_node(arrays: Mapping[Place, Array] | None) -> dict[str, Shown] | None:
    return None if arrays is None else {node: array for (node,), array in arrays.items()}


def _by_parameter(arrays: Mapping[Place, Array] | None) -> dict[str, dict[str, Shown]] | None:
    if arrays is None:
        return None
    shown: dict[str, dict[str, Shown]] = {}
    for (node, name), array in arrays.items():
        shown.setdefault(node, {})[name] = array
    return shown


def _arrays(posed: Posed, done: Pass, part: Part, *, penalized: bool) -> Iterator[tuple[Place, Array]]:
    """The arrays of one part of the answer, in the order of the network."""
    graph = posed.graph
    match part:
        case "values":
            yield from (((node.id,), done.values[node.id]) for node in graph.nodes)
        case "params":
            gradient = graph.views(flat_gradient(graph, posed.parameters, done, penalized=penalized))
            yield from (((node, name), view) for node, views in gradient.items() for name, view in views.items())
        case "inputs":
            yield from (((name,), done.gradients[name]) for name in graph.inputs if name in done.gradients)
        case "nodes":
            yield from (((node.id,), done.gradients[node.id]) for node in graph.nodes if node.id in done.gradients)
        case "state":
            states = ((node.id, done.sites[node.id].state) for node in graph.nodes)
            yield from (((node, name), array) for node, state in states for name, array in state.items())


def _step(part: Part) -> tuple[str, ...]:
    return ("gradients", part) if part in OF_A_LOSS else (part,)
