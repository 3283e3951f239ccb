"""Where numbers stop being finite: the failing step computed anew, node by node, from the last checkpoint before it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from core.arrays import Array
from core.diagnosis.verdict import Operand
from core.graph.graph import Graph, Node
from core.graph.interpreter import Pass, interpret
from core.graph.randomness import Randomness
from core.training.checkpoint import Checkpoint
from core.training.examples import Examples
from core.training.run import Diverged, Run


@dataclass(frozen=True)
class Overflow:
    """The first array that is not finite, and what it was computed from."""

    node: str
    words: str
    operands: list[Operand]
    """Its operands, and itself last."""

    @property
    def count(self) -> int:
        """Its entries that are not finite."""
        return self.operands[-1].entries - self.operands[-1].finite


def find_overflow(
    run: Run, training: Examples, validation: Examples | None, *, checkpoint: Checkpoint, step: int
) -> Overflow | None:
    """The first array that is not finite in this step (from 1), or behind it; None if all stays finite.

    `run` is a new one, which is used up. It is looked for where the step computes: in the values of nodes, the loss,
    the slopes from the loss back, the gradients and the weights that they make, and the validation of the epoch.
    """
    run.restore(checkpoint)
    try:
        batches, randomness = run.approach(step)
        for rows in batches:
            done = _pass(run, training.take(rows), training=True, randomness=randomness)
            if found := next(chain(_in_pass(run.graph, done), _in_length(done)), None):
                return found
        run.restore(checkpoint)
        run.approach(step + 1)
    except Diverged:
        return None
    if found := next(_in_parameters(run.graph, run.parameters), None):
        return found
    if validation is None:
        return None
    return next(
        _in_pass(run.graph, _pass(run, validation.take(np.arange(min(validation.rows, 256))), training=False)), None
    )


def operand(name: str, array: Array) -> Operand:
    """The range of an array."""
    finite = array[np.isfinite(array)]
    ends = (float(finite.min()), float(finite.max())) if finite.size else (None, None)
    return Operand(name=name, least=ends[0], largest=ends[1], finite=int(finite.size), entries=int(array.size))


def _pass(run: Run, examples: Examples, *, training: bool, randomness: Randomness | None = None) -> Pass:
    """One batch in the run's own precision, since it is there that numbers overflow."""
    typed = examples.typed(run.graph, run.parameters.dtype)
    with np.errstate(all="ignore"):
        return interpret(
            run.graph,
            run.parameters,
            typed.inputs,
            typed.targets,
            training=training,
            backward=training,
            randomness=randomness,
            sample_weights=typed.sample_weights,
        )


def _in_pass(graph: Graph, done: Pass) -> Iterator[Overflow]:
    """Whatever is not finite, in the order in which it is computed."""
    for node in graph.nodes:
        feeding = {name: done.values[name] for name in node.inputs}
        yield from _told(node.id, f"the value of {node.id}", feeding | _weights(node, done), done.values[node.id])
    for loss, term, site in zip(graph.losses, done.loss_terms, done.loss_sites, strict=False):
        judged = str(loss.input)
        compared = {judged: done.values[judged], str(loss.target): site.t}
        yield from _told(judged, f"the loss of {judged}", compared, np.asarray(term))
    for node in reversed(graph.nodes):
        slope = done.gradients.get(node.id)
        if slope is not None:
            yield from _told(node.id, f"dL/d {node.id}", _incoming(graph, node, done), slope)
            for name, gradient in (done.sites[node.id].dparams or {}).items():
                of_weights = {f"dL/d {node.id}": slope} | {one: done.values[one] for one in node.inputs}
                yield from _told(node.id, f"dL/d {node.id}.{name}", of_weights, np.asarray(gradient))


def _in_length(done: Pass) -> Iterator[Overflow]:
    """The longest gradient of a tensor, if its square overflows though all its entries are finite."""
    gradients = {
        (owner, name): gradient for owner, named in done.parameter_gradients.items() for name, gradient in named.items()
    }
    if not gradients:
        return
    owner, name = max(gradients, key=lambda one: float(np.abs(gradients[one]).max()))
    longest = gradients[owner, name].reshape(-1)
    with np.errstate(over="ignore"):
        square = longest.dot(longest)
    yield from _told(owner, f"|dL/d {owner}.{name}|²", {f"dL/d {owner}.{name}": longest}, np.asarray(square))


def _in_parameters(graph: Graph, parameters: Array) -> Iterator[Overflow]:
    """Weights, or state, that an update has made."""
    for piece in (*graph.layout, *graph.state_layout):
        yield from _told(
            piece.node, f"{piece.node}.{piece.name} after the update", {}, parameters[piece.start : piece.stop]
        )


def _told(node: str, words: str, operands: Mapping[str, Array], result: Array) -> Iterator[Overflow]:
    if not np.isfinite(result).all():
        named = [*operands.items(), (words, result)]
        yield Overflow(node, words, [operand(name, array) for name, array in named])


def _weights(node: Node, done: Pass) -> dict[str, Array]:
    return {f"{node.owner}.{name}": array for name, array in done.sites[node.id].params.items()}


def _incoming(graph: Graph, node: Node, done: Pass) -> dict[str, Array]:
    """The slopes of what a node feeds, and the weights that they came through."""
    found: dict[str, Array] = {}
    for consumer in graph.nodes:
        if node.id in consumer.inputs and consumer.id in done.gradients:
            found |= {f"dL/d {consumer.id}": done.gradients[consumer.id]} | _weights(consumer, done)
    return found
