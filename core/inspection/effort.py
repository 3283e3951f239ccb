"""How many floating-point operations passes take, and the refusal of more than anybody would wait for."""

from core.errors import Invalid, Problem
from core.graph.graph import Graph

MOST_OPERATIONS = 2e11
"""Operations that one answer may take: about a minute."""

CALLING = 60_000
"""Operations that could be done in the time it takes to call a node."""


def effort_of_pass(graph: Graph, rows: int, *, backward: bool = True) -> float:
    """Operations of one pass over so many examples; a backward pass takes two more products for each one forward."""
    of_example = sum(node.op.flops(node.input_shapes) for node in graph.nodes)
    return (3.0 if backward else 1.0) * (rows * of_example + CALLING * len(graph.nodes))


def refuse_beyond_patience(operations: float, place: str, advice: str) -> None:
    """Raise Invalid at `place` when nobody would wait for the answer."""
    if operations > MOST_OPERATIONS:
        detail = f"the answer takes about {operations:.1e} operations, at most {MOST_OPERATIONS:.0e} are done; {advice}"
        raise Invalid([Problem(place, detail)])
