"""A question about one batch of examples: what it brings, and the passes that answer it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Model, Tensor, size_of
from core.data.cells import Cell
from core.errors import Invalid, Problem, pointer
from core.graph.graph import Graph
from core.graph.interpreter import Pass, interpret
from core.graph.randomness import Randomness
from core.inspection.effort import effort_of_pass
from core.inspection.examples import examples_of_arrays, examples_of_rows, examples_of_split
from core.inspection.question import Library, Question, SplitName
from core.inspection.subject import Bound, Subject, bind
from core.network import InputSpec
from core.training.examples import Examples

MOST_ROWS = 10_000

MOST_VALUES = 20_000_000
"""Numbers that the nodes of a network may hold for all examples of a question together."""

Part = Literal["values", "params", "inputs", "nodes", "state"]


@dataclass(frozen=True)
class Posed:
    """A question's network, parameters and examples, in float64, checked against one another."""

    graph: Graph
    parameters: Array
    examples: Examples
    training: bool
    seed: int

    @property
    def has_targets(self) -> bool:
        """Whether there is a loss to differentiate."""
        return bool(self.examples.targets)

    @property
    def operations(self) -> float:
        """Floating-point operations of one forward pass."""
        return effort_of_pass(self.graph, self.examples.rows, backward=False)

    def run(
        self,
        parameters: Array | None = None,
        *,
        inputs: Mapping[str, Array] | None = None,
        given: Mapping[str, Array] | None = None,
        backward: bool = True,
    ) -> Pass:
        """One pass, by default at the subject's own parameters; what is random is drawn alike in every pass.

        Everything is computed in the type of the parameters; complex128 is for the complex step. `given`
        values of nodes stand in for what they would compute.
        """
        at = self.parameters if parameters is None else parameters
        fed = self.examples.inputs if inputs is None else inputs
        with np.errstate(all="ignore"):
            return interpret(
                self.graph,
                at,
                {name: x if x.dtype.kind == "i" else x.astype(at.dtype, copy=False) for name, x in fed.items()},
                self.examples.targets,
                training=self.training,
                backward=backward and self.has_targets,
                randomness=Randomness(self.graph, self.seed),
                sample_weights=self.examples.sample_weights,
                given=given,
            )


class SplitRows(Model):
    """Examples that a model was trained, validated or tested on."""

    split: SplitName = "training"
    rows: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]
    """The first, and the one behind the last, in the order of the split."""


TWO_TWO_TWO: Mapping[str, Any] = {
    "subject": {
        "network": {
            "inputs": {"x": {"shape": [2]}},
            "nodes": [
                {
                    "id": "h",
                    "op": "dense",
                    "inputs": ["x"],
                    "params": {"W": [[0.1, 0.03], [0.15, 0.08]], "b": [0.05, 0.05]},
                },
                {"id": "a", "op": "sigmoid", "inputs": ["h"]},
                {
                    "id": "o",
                    "op": "dense",
                    "inputs": ["a"],
                    "params": {"W": [[0.18, 0.11], [0.06, 0.26]], "b": [0.42, 0.42]},
                },
                {"id": "y", "op": "sigmoid", "inputs": ["o"]},
            ],
            "losses": [{"kind": "half_sse", "input": "y", "target": "t"}],
        }
    },
    "inputs": {"x": [[0.95, 0.06]]},
    "targets": {"t": [[0.05, 0.82]]},
}
"""A request with everything in it: two inputs, two sigmoid units, two sigmoid outputs, one example."""


class BatchQuestion(Question):
    """A question about one batch of examples."""

    example: ClassVar[Mapping[str, Any]] = TWO_TWO_TWO

    subject: Subject

    inputs: Annotated[dict[str, Tensor], Field(min_length=1, max_length=1000)] | None = None
    """One array for each input of the network, the batch first."""

    targets: Annotated[dict[str, Tensor], Field(max_length=100)] | None = None
    """One array for each target of its losses; without any there is no loss and no gradient."""

    rows: Annotated[list[dict[str, Cell]], Field(min_length=1, max_length=MOST_ROWS)] | None = None
    """For a model instead of `inputs` and `targets`: rows with the columns of its data set, prepared as in training."""

    batch: SplitRows | None = None
    """For a model, instead: rows of its own data, as in `{"split": "training", "rows": [0, 32]}`."""

    mode: Literal["evaluation", "training"] = "evaluation"
    """`training` lets dropout drop, by a node's own `mask` or drawn from `seed`."""

    include: list[Part] | None = None
    """Parts to give; left out, all that the request allows."""

    summary: bool | None = None
    """Whether to give each array as a few numbers instead of in full; left out, in full unless that is too much."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Decides whatever is drawn: parameters that the network does not give, dropout, directions of a check."""

    def pose(self, library: Library) -> Posed:
        """The question with everything looked up, converted and checked. Raises Invalid with every mistake found."""
        self._check_form()
        bound = bind(
            self.subject, library, seed=self.seed, inputs=_input_specs(self.inputs), widths=_widths(self.targets)
        )
        examples = self._examples(bound, library)
        self._check_size(bound.graph, examples.rows)
        self._check_masks(examples.rows)
        typed = examples.typed(bound.graph, np.float64)
        return Posed(bound.graph, bound.parameters, typed, self.mode == "training", self.seed)

    def _examples(self, bound: Bound, library: Library) -> Examples:
        if self.batch is not None:
            assert self.subject.model is not None
            return examples_of_split(library.history(self.subject.model), self.batch.split, self.batch.rows)
        if self.rows is not None:
            assert bound.preparation is not None
            return examples_of_rows(bound.graph, bound.preparation, self.rows)
        return examples_of_arrays(bound.graph, self.inputs or {}, self.targets or {})

    def _check_size(self, graph: Graph, rows: int) -> None:
        """Raise Invalid before more memory is taken than a question is worth."""
        each = sum(size_of(node.shape) for node in graph.nodes)
        if rows * each > MOST_VALUES:
            detail = (
                f"{rows} examples have {rows * each:,} values in this network; ask for {MOST_VALUES // each} at most"
            )
            raise Invalid([Problem(self.examples_place, detail)])

    def _check_masks(self, rows: int) -> None:
        """Raise Invalid where a node brings a mask for other examples than these."""
        network = self.subject.network
        if network is None:
            return
        place = "nodes" if network.layers is None else "layers"
        masks = [(index, getattr(op, "mask", None)) for index, op in enumerate(network.nodes or network.layers or ())]
        problems = [
            Problem(pointer("subject", "network", place, index, "mask"), f"has {len(mask)} examples, the inputs {rows}")
            for index, mask in masks
            if mask is not None and len(mask) != rows
        ]
        if problems:
            raise Invalid(problems)

    @property
    def examples_place(self) -> str:
        """Where the examples stand in the request."""
        return next((f"/{name}" for name in ("rows", "batch") if getattr(self, name) is not None), "/inputs")

    @property
    def targets_place(self) -> str:
        """Where the targets stand in the request."""
        return "/targets" if self.examples_place == "/inputs" else self.examples_place

    def _check_form(self) -> None:
        given = [name for name in ("inputs", "rows", "batch") if getattr(self, name) is not None]
        problems = []
        if len(given) != 1:
            detail = "give the examples, either as `inputs` or, for a model, as `rows` or `batch`"
            problems.append(Problem("/inputs", detail))
        of_model = [name for name in given if name != "inputs"]
        if of_model and self.targets is not None:
            problems.append(Problem("/targets", f"with `{of_model[0]}` the targets are columns of the rows"))
        if self.subject.model is None:
            detail = "are for a model, which knows its data set; a network takes `inputs`"
            problems += [Problem(f"/{name}", detail) for name in of_model]
        if problems:
            raise Invalid(problems)


def refuse_parts(question: BatchQuestion) -> None:
    """Raise Invalid where `include` names parts of a question that has none."""
    if question.include is not None:
        detail = f"the parts are those of `gradients`; `{question.question}` has none to choose from"
        raise Invalid([Problem("/include", detail)])


def _input_specs(inputs: Mapping[str, Array] | None) -> dict[str, InputSpec]:
    """The inputs as a network would declare them that left them to the data."""
    arrays = (inputs or {}).items()
    return {
        name: InputSpec(shape=list(array.shape[1:])) for name, array in arrays if 0 < array.ndim <= 9 and array.size
    }


def _widths(targets: Mapping[str, Array] | None) -> dict[str, int]:
    return {name: array.shape[-1] for name, array in (targets or {}).items() if array.ndim > 1}
