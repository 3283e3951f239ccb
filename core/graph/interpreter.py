"""The plain way through a graph: node by node, fresh arrays, the chain rule written as sums in a dictionary.

It is what the plan is tested against, and what inspection uses, where an answer matters more than a microsecond.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from core.arrays import Array
from core.graph.graph import Graph
from core.graph.randomness import Randomness
from core.loss import LossSite
from core.op import Site


@dataclass
class Pass:
    """One forward and, if asked for, one backward pass, every array kept."""

    values: dict[str, Array]
    loss_terms: list[Array]
    """Unweighted, 0-d."""

    gradients: dict[str, Array] = field(default_factory=dict)
    """dL/d value of every node and float input."""

    parameter_gradients: dict[str, dict[str, Array]] = field(default_factory=dict)
    """By owner and name; uses of shared parameters added up, penalties not included."""

    sites: dict[str, Site] = field(default_factory=dict)

    def loss(self, graph: Graph) -> Array:
        """The data term: the weighted sum of the loss terms; complex under the complex step."""
        terms = (loss.weight * term for loss, term in zip(graph.losses, self.loss_terms, strict=True))
        return np.asarray(sum(terms, start=np.zeros(())))


def interpret(
    graph: Graph,
    parameters: Array,
    inputs: Mapping[str, Array],
    targets: Mapping[str, Array] | None = None,
    *,
    training: bool = False,
    backward: bool = True,
    randomness: Randomness | None = None,
    sample_weights: Mapping[int, Array] | None = None,
) -> Pass:
    """Run one batch; the parameters' type is the type everything is computed in."""
    rows = len(next(iter(inputs.values())))
    views = graph.views(parameters)
    values: dict[str, Array] = dict(inputs)
    result = Pass(values, [])
    for node in graph.nodes:
        site = Site(
            x=tuple(values[name] for name in node.inputs),
            y=np.zeros((rows, *node.shape), parameters.dtype),
            dy=None,
            dx=(),
            params=views.get(node.owner, {}),
            dparams={},
            training=training,
            generator=randomness.of(node.id) if randomness else None,
        )
        for call in node.op.forward(site):
            call()
        values[node.id], result.sites[node.id] = site.y, site
    sites = _losses(graph, result, targets or {}, sample_weights or {})
    if backward:
        _backward(graph, result, sites)
    return result


def _losses(
    graph: Graph, result: Pass, targets: Mapping[str, Array], sample_weights: Mapping[int, Array]
) -> list[LossSite]:
    sites = []
    for index, loss in enumerate(graph.losses):
        assert loss.input is not None and loss.target is not None
        if loss.target not in targets:
            continue
        y = result.values[loss.input]
        value = np.zeros((), np.result_type(y.dtype, np.float64))
        site = LossSite(y, targets[loss.target], np.zeros_like(y), value, sample_weights.get(index))
        for call in loss.forward(site):
            call()
        result.loss_terms.append(value)
        sites.append(site)
    return sites


def _backward(graph: Graph, result: Pass, sites: list[LossSite]) -> None:
    total: dict[str, Array] = {}
    shared: dict[str, dict[str, Array]] = defaultdict(dict)
    for loss, at_loss in zip(graph.losses, sites, strict=True):
        assert loss.input is not None and at_loss.dy is not None
        for call in loss.backward(at_loss):
            call()
        _add(total, loss.input, at_loss.dy)
    for node in reversed(graph.nodes):
        if node.id not in total:
            continue
        site = result.sites[node.id]
        site.dy = total[node.id]
        site.dx = tuple(np.zeros_like(x) if x.dtype.kind in "fc" else None for x in site.x)
        site.dparams = {name: np.zeros_like(value) for name, value in site.params.items()}
        for call in node.op.backward(site):
            call()
        for name, dx in zip(node.inputs, site.dx, strict=True):
            if dx is not None:
                _add(total, name, dx)
        for name, gradient in site.dparams.items():
            assert gradient is not None
            _add(shared[node.owner], name, gradient)
    result.gradients, result.parameter_gradients = total, dict(shared)


def _add(totals: dict[str, Array], name: str, part: Array) -> None:
    totals[name] = totals[name] + part if name in totals else part
