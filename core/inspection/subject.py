"""What a question is about: a network that the request brings, or a model that the service keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from core.arrays import Array, Model
from core.data.preparation import Preparation
from core.errors import Invalid
from core.graph.build import Surroundings, build
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.inspection.question import Library
from core.network import InputSpec, Network

MOST_PARAMETERS = 20_000_000
"""Of a network that comes with the request: its parameters are drawn and its gradients held while it is answered."""


class Subject(Model):
    """Either a network, with its parameters or without, or a reference to a trained model."""

    network: Network | None = None
    """A network of its own; parameters it does not give are drawn from the question's `seed`."""

    model: Annotated[str, Field(min_length=1, max_length=200, examples=["penguins@3"])] | None = None
    """A model reference: `mdl_…`, `name`, `name@3`, `job_…@12`, `job_…@best` or `job_…@last`."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.network is None) == (self.model is None):
            raise ValueError("give either `network` or `model`")
        return self


@dataclass(frozen=True)
class Bound:
    """A subject ready to be computed, in float64."""

    graph: Graph
    parameters: Array
    preparation: Preparation | None
    """None for a network that came with the request: there are no rows to prepare for it."""


def bind(
    subject: Subject, library: Library, *, seed: int, inputs: Mapping[str, InputSpec], widths: Mapping[str, int]
) -> Bound:
    """The graph and parameters of a subject; `inputs` and `widths` stand in for what its network leaves open.

    Raises Invalid, below `/subject/network`.
    """
    if subject.model is not None:
        trained = library.model(subject.model)
        return Bound(trained.graph, trained.parameters.astype(np.float64), trained.preparation)
    assert subject.network is not None
    around = Surroundings(
        inputs=inputs if subject.network.inputs is None else {}, widths=widths, max_parameters=MOST_PARAMETERS
    )
    try:
        graph = build(subject.network, around)
    except Invalid as error:
        raise Invalid(problem.below("/subject/network") for problem in error.problems) from error
    return Bound(graph, initial_parameters(graph, seed, np.float64), None)
