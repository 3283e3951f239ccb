"""What a network is trained to make small, at one point and for one batch: loss terms, penalties and their gradient."""

from dataclasses import dataclass

import numpy as np

from core.arrays import Array, at_least_double
from core.graph.graph import Graph
from core.graph.interpreter import Pass


@dataclass(frozen=True)
class Objective:
    """The total is the weighted sum of the loss terms plus the penalties."""

    loss_terms: list[float]
    """As they are, before their weights."""

    penalties: list[float]
    total: float


def objective(graph: Graph, parameters: Array, done: Pass) -> Objective:
    """The parts and the total at the point of a pass."""
    penalties = penalty_terms(graph, parameters)
    return Objective(
        [float(term) for term in done.loss_terms],
        [float(term) for term in penalties],
        float(total(graph, parameters, done)),
    )


def total(graph: Graph, parameters: Array, done: Pass) -> Array:
    """The objective, 0-d; complex when the parameters are."""
    with np.errstate(all="ignore"):
        return np.asarray(done.loss(graph) + sum(penalty_terms(graph, parameters)))


def penalty_terms(graph: Graph, parameters: Array) -> list[Array]:
    """The value of every penalty, in the order of the network."""
    terms = []
    for penalty in graph.penalties:
        term = np.zeros((), at_least_double(parameters.dtype))
        with np.errstate(all="ignore"):
            for piece in graph.penalized(penalty):
                for call in penalty.value(parameters[piece.start : piece.stop], term):
                    call()
        terms.append(term)
    return terms


def flat_gradient(graph: Graph, parameters: Array, done: Pass, *, penalized: bool = True) -> Array:
    """d objective / d parameters as one vector: the loss' part by back-propagation, and the pull of the penalties."""
    gradient = np.zeros_like(parameters)
    for node, views in graph.views(gradient).items():
        for name, view in views.items():
            view[...] = done.parameter_gradients.get(node, {}).get(name, 0.0)
    with np.errstate(all="ignore"):
        for penalty in graph.penalties if penalized else ():
            for piece in graph.penalized(penalty):
                stretch = slice(piece.start, piece.stop)
                for call in penalty.gradient(parameters[stretch], gradient[stretch]):
                    call()
    return gradient
