"""The proof that the gradients of a finished model are right, as far as it is worth its time."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.arrays import Array
from core.errors import Invalid
from core.experiment import Experiment
from core.graph.graph import Graph
from core.inspect.gradient_check import DIRECTIONS, check, operations
from core.inspection.batch import Posed, SplitRows
from core.training.examples import Examples
from core.weights import weights_from_bytes
from service.kit.provenance import provenance
from service.models.certificates import Certificate, Coverage, Digests

MOST_OPERATIONS = 3e10
"""Floating-point operations that a certificate may take: some ten seconds after a run."""

LARGEST_CERTIFIED = 10_000_000
"""Parameters: of more, float64 copies for a check would take more memory than the run did."""


@dataclass(frozen=True)
class Extent:
    """How much is checked."""

    rows: int
    covers: Coverage
    directions: int = DIRECTIONS

    def operations(self, graph: Graph) -> float:
        """What it takes."""
        tensors = len(graph.layout) if self.covers == "every tensor" else 0
        return operations(graph, self.rows, self.directions * (1 + tensors))


EXTENTS = (
    Extent(16, "every tensor"),
    Extent(4, "every tensor"),
    Extent(16, "all parameters together"),
    Extent(2, "all parameters together"),
    Extent(1, "all parameters together", directions=1),
)
"""From the most telling to the cheapest; the first that is affordable and tells something is taken."""


def certify(experiment: Experiment, weights: bytes, *, dataset_sha256: str | None) -> Certificate:
    """The gradient check of these weights on a few training rows, or the reason why there is none."""
    graph = experiment.graph
    if not graph.parameter_count:
        return _nothing("the network has no parameters")
    if graph.parameter_count > LARGEST_CERTIFIED:
        detail = f"the network has {graph.parameter_count:,} parameters, of which at most {LARGEST_CERTIFIED:,}"
        return _nothing(f"{detail} are checked after a run: it would take more memory than the run itself")
    certificate = _nothing("even one example takes longer to check than a run should take to end")
    for extent in EXTENTS:
        if extent.operations(graph) <= MOST_OPERATIONS:
            certificate = _certified(experiment, weights, extent, dataset_sha256)
            # The fewer the rows, the fewer kinks lie on the way.
            if certificate.passed is not None:
                return certificate
    return certificate


def _certified(experiment: Experiment, weights: bytes, extent: Extent, dataset_sha256: str | None) -> Certificate:
    graph, seed = experiment.graph, experiment.spec.seed
    rows = min(extent.rows, experiment.training.rows)
    batch = experiment.training.take(np.arange(rows)).typed(graph, np.float64)
    posed = Posed(graph, weights_from_bytes(graph, weights, np.dtype(np.float64)), batch, training=False, seed=seed)
    tensors = extent.covers == "every tensor"
    try:
        found = check(posed, inputs=False, tensors=tensors, directions=extent.directions, lists_entries=False)
    except Invalid as error:
        return _nothing(error.problems[0].detail)
    told = found.max_relative_error is not None
    return Certificate(
        **(dict(found) | {"passed": found.passed if told else None}),
        reason=None if told else "every direction that was tried crosses a kink",
        covers=extent.covers,
        batch=SplitRows(split="training", rows=[0, rows]),
        seed=seed,
        digests=Digests(
            weights_sha256=hashlib.sha256(weights).hexdigest(),
            dataset_sha256=dataset_sha256,
            batch_sha256=digest(batch),
        ),
        provenance=provenance(),
    )


def digest(examples: Examples) -> str:
    """SHA-256 of some prepared rows."""
    found = hashlib.sha256()
    parts: tuple[Mapping[Any, Array], ...] = (examples.inputs, examples.targets, examples.sample_weights)
    for arrays in parts:
        for name, array in sorted(arrays.items()):
            found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _nothing(reason: str) -> Certificate:
    return Certificate(passed=None, reason=reason)
