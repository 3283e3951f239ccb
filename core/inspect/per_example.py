"""What does each example say by itself, and do the examples of a batch agree?"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Model, size_of
from core.errors import Invalid, Problem, pointer
from core.graph.graph import Graph, Node
from core.inspection.batch import BatchQuestion, Posed
from core.inspection.by_example import ByExample, by_example, meeting_node
from core.inspection.effort import CALLING, MOST_OPERATIONS
from core.inspection.question import Library
from core.inspection.rate import rate_in_use
from core.inspection.spread import (
    BatchTests,
    Conflicts,
    NoiseScale,
    Outlier,
    batch_tests,
    conflicts,
    cosines,
    cosines_with_mean,
    noise_scale,
    outliers,
    trace_covariance,
)
from core.inspection.tensors import NonFinite, Shown, finite, non_finite

MOST_EXAMPLES = 2_000
"""Every two of them are compared."""

MOST_IN_MATRIX = 256
"""Examples up to which the cosines of every two are given."""

MOST_ENTRIES = 2_000_000
"""Entries that the gradients of all examples have together, up to which they can be given."""

FEW_ENTRIES = 50_000
"""Up to so many they are given without being asked for."""

MOST_HELD = 50_000_000
"""Numbers that are held for one node."""

_CALLS_ALONE = 20.0
"""Calls of a node, in the time they take, for an example that is asked about alone."""


class EntryParts(Model):
    """Entry by entry of every parameter, by node and parameter; penalties are in none of it."""

    gradients: dict[str, dict[str, Shown]]
    """Of each example's own loss: (n, …)."""

    mean: dict[str, dict[str, Shown]]
    variance: dict[str, dict[str, Shown]] | None
    """Unbiased; null where there is one example."""

    sign_agreement: dict[str, dict[str, Shown]]
    """|mean sign| of the examples' gradients: 1 where all want to move the entry the same way, 0 for half and half."""


class PerExampleAnswer(Model):
    """Loss and gradient of n examples, each by itself in float64, and what they are as a sample.

    An example's own loss is its share of the batch's loss times n: its own mean over outputs and positions where the
    loss is a mean, its own sum where that is a sum. Weights of examples, classes and loss terms are factors, as they
    are in the batch. Penalties are left out everywhere, since they belong to no example.
    """

    first_row: int
    """The row of the first example: with `batch` in its split, else 0."""

    losses: Shown
    """Own losses (n,)."""

    norms: Shown
    """Lengths of the gradients of the own losses (n,)."""

    norms_by_tensor: dict[str, dict[str, Shown]]
    """The same by node and parameter; shared parameters stand under the node that owns them."""

    cosines_with_mean: Shown
    """Cosines of the examples' gradients with the mean gradient (n,); null where one of them is 0."""

    cosine_similarity: Shown | None = None
    """Of every two examples (n, n); only up to 256 examples."""

    mean_gradient_norm: float | None
    trace_covariance: float | None
    """Sum of the unbiased variances of all entries of the gradient; null for one example."""

    noise_scale: NoiseScale
    tests: BatchTests
    learning_rate: float | None
    """That `tests` used: as asked, else the model's at that epoch."""

    conflicts: Conflicts
    outliers: list[Outlier]
    params: EntryParts | None = None
    """null where it was not asked for, or would be more than anybody reads."""

    non_finite: list[NonFinite]
    """Every array here with an infinity or a NaN in it."""


class PerExample(BatchQuestion):
    """Loss and gradient of each example, and how much the examples agree.

    `include` may name `params`: the gradients of the examples entry by entry; left out, they are given for small
    networks. The gradients of dense and convolutional layers are compared without being computed one by one.
    """

    question: Literal["per-example"] = "per-example"

    sentence: ClassVar[str] = "What are loss and gradient of each example, and do the examples of a batch agree?"

    example: ClassVar[Mapping[str, Any]] = {
        "subject": {
            "network": {
                "layers": [{"op": "dense", "id": "d", "params": {"W": [[1.0], [2.0]], "b": [0.5]}}],
                "losses": [{"kind": "mse"}],
            }
        },
        "inputs": {"x": [[1, 2], [3, 4], [-1, 0]]},
        "targets": {"y": [[5], [6], [1]]},
        "learning_rate": 0.1,
    }

    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """For the batch size that suits it; left out, the rate of the model at that epoch."""

    def work(self, library: Library) -> float:
        """A backward pass, and the comparison of every two examples."""
        return _operations(self.pose(library))

    def answer(self, library: Library) -> PerExampleAnswer:
        """Raises Invalid, also where examples have no gradients of their own."""
        posed = self.pose(library)
        self._check(posed)
        found = by_example(posed, keeps_rows=self._wants_entries(posed))
        rate = rate_in_use(self.subject, self.learning_rate, library)
        with np.errstate(all="ignore"):
            return self._say(posed, found, rate)

    def _say(self, posed: Posed, found: ByExample, rate: float | None) -> PerExampleAnswer:
        first = self.batch.rows[0] if self.batch is not None else 0
        norms, between, with_mean = np.sqrt(np.diagonal(found.gram)), cosines(found.gram), cosines_with_mean(found)
        by_tensor = {at: np.sqrt(squares) for at, squares in found.square_norms.items()}
        shown = {("losses",): found.losses, ("norms",): norms, ("cosines_with_mean",): with_mean}
        return PerExampleAnswer(
            first_row=first,
            losses=found.losses,
            norms=norms,
            norms_by_tensor=_nested(by_tensor),
            cosines_with_mean=with_mean,
            cosine_similarity=between if len(between) <= MOST_IN_MATRIX else None,
            mean_gradient_norm=finite(float(np.linalg.norm(found.mean))),
            trace_covariance=trace_covariance(found),
            noise_scale=noise_scale(found),
            tests=batch_tests(found, rate),
            learning_rate=rate,
            conflicts=conflicts(between, first),
            outliers=outliers(found.losses, norms, first),
            params=_entry_parts(posed.graph, found),
            non_finite=non_finite(
                (pointer(*at), array)
                for at, array in (*shown.items(), *((("norms_by_tensor", *at), one) for at, one in by_tensor.items()))
            ),
        )

    def _wants_entries(self, posed: Posed) -> bool:
        entries = posed.examples.rows * posed.graph.parameter_count
        if self.include is None:
            return entries <= FEW_ENTRIES
        if any(part != "params" for part in self.include):
            raise Invalid([Problem("/include", "only `params` can be given here", allowed=["params"])])
        if self.include and entries > MOST_ENTRIES:
            detail = f"the gradients of the examples have {entries:,} entries, at most {MOST_ENTRIES:,} can be given"
            raise Invalid([Problem("/include", f"{detail}; take fewer examples or leave `params` out")])
        return bool(self.include)

    def _check(self, posed: Posed) -> None:
        """Raise Invalid where examples have no gradients of their own, or too many to be compared."""
        if not posed.has_targets:
            detail = "each example needs its target: without a loss there are no gradients"
            raise Invalid([Problem(self.targets_place, detail)])
        if not posed.graph.parameter_count:
            raise Invalid([Problem("/subject", "the network has no parameters that a gradient could be taken of")])
        meeting = meeting_node(posed)
        if meeting is not None:
            detail = (
                f"{meeting!r} takes its statistics from the whole batch in training, so that no example has a gradient "
                "of its own; ask in evaluation"
            )
            raise Invalid([Problem("/mode", detail, allowed=["evaluation"], got=self.mode)])
        most = _most_examples(posed)
        if posed.examples.rows > most:
            detail = f"{posed.examples.rows} examples are too many to be compared with one another in this network"
            raise Invalid([Problem(self.examples_place, f"{detail}; ask for {most} at most" if most else detail)])


def _most_examples(posed: Posed) -> int:
    """How many examples can be compared in the memory and the time that an answer may take."""
    held = max(node.op.example_numbers(node.input_shapes) for node in posed.graph.nodes)
    most = min(MOST_EXAMPLES, MOST_HELD // max(held, 1))
    operations = _operations(posed)
    if operations > MOST_OPERATIONS:
        # They grow with the square of the examples at most.
        most = min(most, int(posed.examples.rows * (MOST_OPERATIONS / operations) ** 0.5))
    return most


def _operations(posed: Posed) -> float:
    return 3 * posed.operations + sum(_comparing(node, posed.examples.rows) for node in posed.graph.nodes)


def _comparing(node: Node, examples: int) -> float:
    """Operations of the inner products of every two examples, about: of gradients, or of the factors they are of."""
    size = sum(size_of(spec.shape) for spec in node.parameters.values())
    flops, held = node.op.flops(node.input_shapes), node.op.example_numbers(node.input_shapes)
    if not size:
        return 0.0
    whole = 2.0 * examples * (flops + examples * size)
    if held == size:
        return whole + examples * _CALLS_ALONE * CALLING
    positions = max(1.0, flops / (2.0 * size))
    return min(whole, 2.0 * examples**2 * positions * held)


def _entry_parts(graph: Graph, found: ByExample) -> EntryParts | None:
    if found.rows is None:
        return None
    examples = len(found.rows)
    unbiased = found.rows.var(axis=0, ddof=1) if examples > 1 else None
    agreement = np.abs(np.sign(found.rows).mean(axis=0))
    gradients = {
        (piece.node, piece.name): found.rows[:, piece.start : piece.stop].reshape(examples, *piece.shape)
        for piece in graph.layout
    }
    return EntryParts(
        gradients=_nested(gradients),
        mean=_views(graph, found.mean),
        variance=None if unbiased is None else _views(graph, unbiased),
        sign_agreement=_views(graph, agreement),
    )


def _views(graph: Graph, flat: Array) -> dict[str, dict[str, Shown]]:
    return {node: dict(views) for node, views in graph.views(flat).items()}


def _nested(arrays: Mapping[tuple[str, str], Array]) -> dict[str, dict[str, Shown]]:
    shown: dict[str, dict[str, Shown]] = {}
    for (node, name), array in arrays.items():
        shown.setdefault(node, {})[name] = array
    return shown
