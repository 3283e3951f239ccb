"""What does every number of the forward and backward pass come from?"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from core.arrays import Model
from core.errors import Invalid, Problem
from core.graph.graph import Node
from core.inspect.gradients import ALL_PARTS, GradientsAnswer, gradients_of
from core.inspection.batch import BatchQuestion, Posed
from core.inspection.chain import Chain, chain_of, operations_of
from core.inspection.derivation import Derivable, latex, markdown
from core.inspection.effort import refuse_beyond_patience
from core.inspection.objective import flat_gradient, objective
from core.inspection.parameter_entry import find_entry
from core.inspection.question import Library
from core.inspection.tensors import Shown

MOST_EXAMPLES = 4

OF_A_SUMMARY = 100
"""Operations that could be done in the time it takes to look at one number for a summary."""


class TraceNode(Model):
    """One node, in the order of computation; parts that `include` leaves out are null."""

    id: str
    op: str
    inputs: list[str]
    symbol: Literal["z", "a"] | None
    """What textbooks call its value: `a` for an activation, `z` for what feeds one; null for anything else."""

    pre_activation: str | None
    """For an activation the node or input that it is applied to."""

    explanation: str
    """What the op computes, in a sentence."""

    shares: str | None
    """The node whose parameters it uses; they and their gradient stand there."""

    value: Shown
    gradient: Shown
    """dL / d value for each example, L the objective; null where no loss depends on it."""

    params: dict[str, Shown] | None
    param_gradients: dict[str, Shown] | None
    """dL / d each of `params`, all uses and penalties included."""


class TraceAnswer(GradientsAnswer):
    """Forward and backward pass node by node, and for one parameter path by path."""

    inputs: dict[str, Shown]
    """What was fed to the network, after preparation."""

    nodes: list[TraceNode]
    chain: Chain | None
    """For the parameter that `param` names."""

    markdown: str
    """The derivation with numbers to six digits; long arrays by their size."""

    latex: str
    """The same as one `aligned` environment."""


class Trace(BatchQuestion):
    """Every number of one forward and backward pass of at most four examples, and the chain rule for one parameter."""

    question: Literal["trace"] = "trace"

    sentence: ClassVar[str] = "What does every number of the pass come from, and which paths make up a gradient?"

    param: Annotated[str, Field(min_length=1, max_length=400, examples=["h.W[0][1]"])] | None = None
    """One entry of a parameter, as node, name and every index from 0."""

    def work(self, library: Library) -> float:
        """One pass, what is shown of the parameters, and the local derivatives along the chain. Raises Invalid."""
        return self._operations(self.pose(library))

    def _operations(self, posed: Posed) -> float:
        shown_once = OF_A_SUMMARY * posed.graph.parameter_count
        return 3 * posed.operations + 3 * shown_once + (operations_of(posed) if self.param is not None else 0.0)

    def answer(self, library: Library) -> TraceAnswer:
        """Raises Invalid, also where there is nothing to differentiate or more than can be read."""
        posed = self.pose(library)
        self._check(posed)
        refuse_beyond_patience(self._operations(posed), self.examples_place, "give fewer examples")
        param = None if self.param is None else find_entry(posed.graph, self.param)
        parts = list(ALL_PARTS if self.include is None else self.include)
        done = posed.run()
        found = gradients_of(posed, done, parts)
        about = Derivable(
            posed,
            done,
            objective(posed.graph, posed.parameters, done),
            flat_gradient(posed.graph, posed.parameters, done),
            None if param is None else chain_of(posed, done, param),
        )
        fed = posed.examples.inputs
        bent = {name for node in posed.graph.nodes if node.op.is_activation for name in node.inputs}
        return TraceAnswer(
            **dict(found),
            inputs={name: fed[name] for name in posed.graph.inputs},
            nodes=[self._node(posed, found, node, bent) for node in posed.graph.nodes],
            chain=about.chain,
            markdown=markdown(about),
            latex=latex(about),
        )

    def _node(self, posed: Posed, found: GradientsAnswer, node: Node, bent: set[str]) -> TraceNode:
        params = posed.graph.views(posed.parameters).get(node.id, {}) if node.owner == node.id else {}
        gradients = found.gradients
        return TraceNode(
            id=node.id,
            op=node.op.op,
            inputs=list(node.inputs),
            symbol="a" if node.op.is_activation else "z" if node.id in bent else None,
            pre_activation=node.inputs[0] if node.op.is_activation else None,
            explanation=node.op.explanation,
            shares=None if node.owner == node.id else node.owner,
            value=(found.values or {}).get(node.id),
            gradient=(gradients.nodes or {}).get(node.id),
            params=None if gradients.params is None else dict(params),
            param_gradients=None if gradients.params is None else gradients.params.get(node.id, {}),
        )

    def _check(self, posed: Posed) -> None:
        problems = []
        if not posed.has_targets:
            detail = "a trace needs targets: without them there is no loss whose gradient could be followed"
            problems.append(Problem(self.targets_place, detail))
        if posed.examples.rows > MOST_EXAMPLES:
            detail = f"a trace is read number by number: give at most {MOST_EXAMPLES} examples, or ask `gradients`"
            problems.append(Problem(self.examples_place, detail, got=posed.examples.rows))
        if problems:
            raise Invalid(problems)
