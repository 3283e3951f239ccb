"""Names and order of nodes: what refers to what, and in which order it can be computed."""

from collections import Counter, deque
from collections.abc import Sequence
from difflib import get_close_matches

from core.errors import Invalid, Problem, pointer
from core.network import Network
from core.op import Op


def check_names(network: Network, place: str) -> list[Problem]:
    """Missing, doubled and unknown names, wrong numbers of inputs and impossible sharing."""
    assert network.nodes is not None and network.inputs is not None
    uses = Counter(op.id for op in network.nodes)
    by_id = {op.id: op for op in network.nodes if op.id is not None}
    known = {**dict.fromkeys(network.inputs), **dict.fromkeys(by_id)}
    problems: list[Problem] = []
    for index, op in enumerate(network.nodes):
        at = pointer(place, index)
        if op.id is None:
            problems.append(Problem(f"{at}/id", "a node needs an id"))
        elif uses[op.id] > 1 or op.id in network.inputs:
            problems.append(Problem(f"{at}/id", f"the name {op.id!r} is used twice", got=op.id))
        problems += _inputs(op, known, at)
        problems += _sharing(op, by_id, at)
    return problems


def _inputs(op: Op, known: dict[str, None], at: str) -> list[Problem]:
    if op.inputs is None:
        return [Problem(f"{at}/inputs", "a node says what feeds it", allowed=list(known)[:20])]
    problems = [
        Problem(f"{at}/inputs/{index}", f"there is no node or input {name!r}", allowed=_nearest(name, known), got=name)
        for index, name in enumerate(op.inputs)
        if name not in known
    ]
    if op.arity is not None and len(op.inputs) != op.arity:
        problems.append(Problem(f"{at}/inputs", f"{op.op} takes {op.arity} input(s), not {len(op.inputs)}"))
    elif not op.inputs:
        problems.append(Problem(f"{at}/inputs", f"{op.op} takes at least one input"))
    return problems


def _nearest(name: str, known: dict[str, None]) -> list[object]:
    """Names that may have been meant; among many, only those spelled alike."""
    return list(known) if len(known) <= 20 else list(get_close_matches(name, list(known)[:2000], 5))


def _sharing(op: Op, by_id: dict[str, Op], at: str) -> list[Problem]:
    if op.share is None:
        return []
    owner = by_id.get(op.share)
    if owner is None:
        return [Problem(f"{at}/share", f"there is no node {op.share!r}", got=op.share)]
    if owner.op != op.op:
        return [Problem(f"{at}/share", f"{op.share!r} is a {owner.op}, this is a {op.op}", got=op.share)]
    if owner.share is not None or owner is op:
        return [Problem(f"{at}/share", "name the node that owns the parameters", got=op.share)]
    return []


def topological_order(nodes: Sequence[Op], place: str) -> list[int]:
    """Positions of the nodes, each after everything that feeds it, otherwise as given (Kahn 1962).

    Raises Invalid naming the nodes of a cycle.
    """
    position = {op.id: index for index, op in enumerate(nodes)}
    feeds = [[position[name] for name in op.inputs or () if name in position] for op in nodes]
    consumers: list[list[int]] = [[] for _ in nodes]
    for index, sources in enumerate(feeds):
        for source in sources:
            consumers[source].append(index)
    waiting = [len(sources) for sources in feeds]
    ready = deque(index for index, count in enumerate(waiting) if count == 0)
    order: list[int] = []
    while ready:
        index = ready.popleft()
        order.append(index)
        for consumer in consumers[index]:
            waiting[consumer] -= 1
            if waiting[consumer] == 0:
                ready.append(consumer)
    if len(order) < len(nodes):
        raise Invalid([_cycle(nodes, feeds, waiting, place)])
    return order


def _cycle(nodes: Sequence[Op], feeds: list[list[int]], waiting: list[int], place: str) -> Problem:
    """One cycle among the nodes that still wait: follow what feeds them until a node comes again."""
    here = next(index for index, count in enumerate(waiting) if count)
    seen: dict[int, int] = {}
    path: list[int] = []
    while here not in seen:
        seen[here] = len(path)
        path.append(here)
        here = next(source for source in feeds[here] if waiting[source])
    ring = [str(nodes[index].id) for index in reversed(path[seen[here] :])]
    shown = ring if len(ring) <= 12 else [*ring[:6], f"… {len(ring) - 12} more …", *ring[-6:]]
    return Problem(pointer(place, here, "inputs"), "the nodes form a cycle: " + " → ".join([*shown, ring[0]]))
