"""The loss that a network has to beat, where shares of it can be told."""

from core.graph.graph import Graph
from core.inspection.chance import chance
from core.training.examples import Examples


def chance_of(graph: Graph, examples: Examples) -> float | None:
    """The data term of the best constant output.

    None where terms are sums over a batch, which have another size in each, or where it is not above 0, as of
    likelihoods, so that there are no shares of it.
    """
    if any(loss.reduction == "sum" for loss in graph.losses):
        return None
    found = chance(graph, examples)
    return found if found is not None and found > 0 else None


def tells_classes(graph: Graph) -> bool:
    """Whether the first loss tells classes apart, rather than measuring a distance."""
    first = graph.losses[0]
    return first.target_type() == "class" or first.output_scale is not None
