"""What a graph is judged by: its output, its loss terms with their targets, and its penalties."""

from collections.abc import Mapping, Sequence

from core.errors import Problem, pointer
from core.graph.graph import Node, Target
from core.loss import Loss
from core.network import ONLY_TARGET, Network
from core.op import ShapeMismatch
from core.penalties import Penalty


def resolve_output(network: Network, nodes: Mapping[str, Node]) -> tuple[str, list[Problem]]:
    """The node whose value is the prediction: what the first loss judges, else the only node that feeds no other."""
    if network.losses and network.losses[0].input is not None:
        return network.losses[0].input, []
    used = {name for node in nodes.values() for name in node.inputs}
    ends = [name for name in nodes if name not in used]
    if len(ends) == 1:
        return ends[0], []
    return ends[-1], [Problem("/losses", f"several nodes could be the output: {ends[:20]}; name one in `losses`")]


def resolve_losses(
    own: Sequence[Loss] | None, given: Sequence[Loss], nodes: Mapping[str, Node], output: str
) -> tuple[tuple[Loss, ...], Mapping[str, Target], list[Problem]]:
    """Loss terms with input and target named, and what each target must look like."""
    losses: list[Loss] = []
    targets: dict[str, Target] = {}
    problems: list[Problem] = []
    for index, stated in enumerate(own or given):
        at = pointer("losses", index) if own else "/loss"
        loss = stated.model_copy(update={"input": stated.input or output, "target": stated.target or ONLY_TARGET})
        assert loss.input is not None and loss.target is not None
        if loss.input not in nodes:
            problems.append(Problem(f"{at}/input", f"there is no node {loss.input!r}", allowed=list(nodes)[:20]))
            continue
        try:
            target = Target(loss.target_shape(nodes[loss.input].shape), loss.target_type())
        except ShapeMismatch as error:
            problems.append(Problem(at, f"{loss.kind} of {loss.input!r} {error}"))
            continue
        if targets.setdefault(loss.target, target) != target:
            problems.append(Problem(f"{at}/target", f"{loss.target!r} has another shape or type in another term"))
        losses.append(loss)
    return tuple(losses), targets, problems


def unpenalizable(penalties: Sequence[Penalty], nodes: Mapping[str, Node]) -> list[Problem]:
    """Penalties that name a parameter the network does not have."""
    known = [f"{node.id}.{name}" for node in nodes.values() if node.owner == node.id for name in node.parameters]
    return [
        Problem(
            pointer("penalties", i, "params", j), f"there is no parameter {name!r}", allowed=[*known[:20]], got=name
        )
        for i, penalty in enumerate(penalties)
        for j, name in enumerate(penalty.params or ())
        if name not in known
    ]
