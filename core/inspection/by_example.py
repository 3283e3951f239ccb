"""The loss and the gradient of every example of a batch by itself, out of one backward pass for all of them.

An example's own loss is what it adds to each loss term, times n where the term is a mean: its own mean over outputs
and positions. So the mean over the examples is the loss of the batch (of a term that is a sum, a part in n of it).
Weights of examples and of classes are factors as they are in the batch: where classes weigh more than others, an
example with n times the weight of all together counts n times. Penalties belong to no example and are left out.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.arrays import Array
from core.graph.graph import Slice
from core.graph.interpreter import Pass
from core.inspection.batch import Posed
from core.inspection.objective import flat_gradient
from core.loss import Loss
from core.per_example import ExampleGradients, Whole, added


@dataclass(frozen=True)
class ByExample:
    """What n examples say, each by itself, about P parameters."""

    losses: Array
    """(n,)."""

    mean: Array
    """Their mean gradient (P,)."""

    gram: Array
    """Inner products of their gradients (n, n)."""

    squares: Array
    """Squared entries of their gradients, summed over the examples (P,)."""

    square_norms: dict[tuple[str, str], Array]
    """|g_n|² by node and parameter, each (n,)."""

    rows: Array | None
    """The gradients themselves (n, P), where they were asked for."""


def by_example(posed: Posed, *, keeps_rows: bool = False) -> ByExample:
    """Everything at once; the posed question has targets, and its examples do not meet (`meeting_node`)."""
    graph, examples = posed.graph, posed.examples.rows
    done = _each_alone(posed).run()
    gram, squares = np.zeros((examples, examples)), np.zeros(graph.parameter_count)
    rows = np.zeros((examples, graph.parameter_count)) if keeps_rows else None
    square_norms = {}
    with np.errstate(all="ignore"):
        for piece, gradients in _by_tensor(posed, done):
            part = gradients.gram()
            gram += part
            square_norms[piece.node, piece.name] = np.diagonal(part).copy()
            squares[piece.start : piece.stop] = gradients.squares()
            if rows is not None:
                rows[:, piece.start : piece.stop] = gradients.rows()
        mean = flat_gradient(replace(graph, penalties=()), posed.parameters, done)[: graph.parameter_count] / examples
        return ByExample(_own_losses(posed, done), mean, gram, squares, square_norms, rows)


def meeting_node(posed: Posed) -> str | None:
    """The first node at which examples meet, so that none has a gradient of its own."""
    if not posed.training:
        return None
    return next((node.id for node in posed.graph.nodes if node.op.compares_examples), None)


def _each_alone(posed: Posed) -> Posed:
    """The same question with the sum of the examples' own losses for a loss."""
    losses = tuple(loss.model_copy(update={"weight": loss.weight * _times(loss, posed)}) for loss in posed.graph.losses)
    return replace(posed, graph=replace(posed.graph, losses=losses))


def _times(loss: Loss, posed: Posed) -> int:
    return posed.examples.rows if loss.reduction == "mean" else 1


def _by_tensor(posed: Posed, done: Pass) -> Iterator[tuple[Slice, ExampleGradients]]:
    """The gradients of one tensor after the other; every use of a shared one adds to them."""
    users = defaultdict(list)
    for node in posed.graph.nodes:
        if node.parameters and done.sites[node.id].dy is not None:
            users[node.owner].append(node)
    found: dict[str, list[ExampleGradients]] = {}
    owner = None
    for piece in posed.graph.layout:
        if piece.node != owner:
            owner, found = piece.node, defaultdict(list)
            for node in users[owner]:
                for name, gradients in node.op.example_gradients(done.sites[node.id]).items():
                    found[name].append(gradients)
        nothing = Whole(np.broadcast_to(0.0, (posed.examples.rows, piece.stop - piece.start)))
        yield piece, added(found.get(piece.name) or [nothing])


def _own_losses(posed: Posed, done: Pass) -> Array:
    """The weighted sum of the loss terms of each example, (n,)."""
    total = np.zeros(posed.examples.rows)
    for loss, site in zip(posed.graph.losses, done.loss_sites, strict=True):
        total += loss.weight * loss.own_values(site)
    return total
