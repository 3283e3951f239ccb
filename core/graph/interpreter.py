"""The plain way through a graph: node by node, fresh arrays, the chain rule written as sums in a dictionary.

It is what the plan is tested against, and what inspection uses, where an answer matters more than a microsecond.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from core.arrays import Array, Call, at_least_double, batch_first, batch_last
from core.graph.graph import Graph, Node
from core.graph.randomness import Randomness
from core.graph.sites import new_value
from core.loss import LossSite
from core.op import Site


@dataclass
class Pass:
    """One forward and, if asked for, one backward pass, every array kept; the batch first, as people have it."""

    values: dict[str, Array]
    loss_terms: list[Array]
    """Unweighted, 0-d."""

    gradients: dict[str, Array] = field(default_factory=dict)
    """dL/d value of every node and float input."""

    parameter_gradients: dict[str, dict[str, Array]] = field(default_factory=dict)
    """By owner and name; uses of shared parameters added up, penalties not included."""

    sites: dict[str, Site] = field(default_factory=dict)
    """Where each node computed, the batch last; its state is a copy that the pass has moved."""

    loss_sites: list[LossSite] = field(default_factory=list)

    given: frozenset[str] = frozenset()
    """Nodes whose values were given instead of computed; a backward pass ends there."""

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
    given: Mapping[str, Array] | None = None,
) -> Pass:
    """Run one batch; the parameters' type is the type everything is computed in.

    `given` values (n, …) of nodes stand in for what the nodes would compute.
    """
    given = given or {}
    rows = len(next(iter(inputs.values())))
    values, with_one = _inputs(graph, inputs, rows)
    views, states = graph.views(parameters), graph.states(parameters.copy())
    result = Pass({}, [], given=frozenset(given))
    for node in graph.nodes:
        y, raised = new_value(node.shape, rows, parameters.dtype)
        site = Site(
            x=tuple(values[name] for name in node.inputs),
            x_and_one=tuple(with_one.get(name) for name in node.inputs),
            y=y,
            dy=None,
            dx=(),
            params=views.get(node.owner, {}),
            dparams={},
            state=states.get(node.id, {}),
            training=training,
            generator=randomness.of(node.id) if randomness else None,
        )
        if node.id in given:
            y[...] = batch_last(given[node.id])
        else:
            _run(node.op.forward(site))
        values[node.id], result.sites[node.id] = y, site
        if raised is not None:
            with_one[node.id] = raised
    result.values = {name: batch_first(value) for name, value in values.items()}
    result.loss_sites = _loss_sites(graph, values, targets or {}, sample_weights or {})
    for loss, at_loss in zip(graph.losses[: len(result.loss_sites)], result.loss_sites, strict=True):
        _run((*loss.prepare(at_loss), *loss.forward(at_loss)))
        result.loss_terms.append(at_loss.value)
    if backward:
        back_propagate(graph, result, loss_slopes(graph, result))
    return result


def loss_slopes(graph: Graph, done: Pass) -> list[tuple[str, Array]]:
    """d (weighted loss term) / d (what it judges), (n, …), for each term: where the backward pass of a loss begins."""
    slopes = []
    for loss, site in zip(graph.losses, done.loss_sites, strict=True):
        assert loss.input is not None and site.dy is not None
        _run(loss.backward(site))
        slopes.append((loss.input, batch_first(site.dy)))
    return slopes


Rule = Callable[[Node, Site], None]
"""What writes a site's dx and dparams from its dy."""


def chain_rule(node: Node, site: Site) -> None:
    """The op's own backward."""
    _run(node.op.backward(site))


def back_propagate(graph: Graph, done: Pass, seeds: Iterable[tuple[str, Array]], rule: Rule = chain_rule) -> None:
    """Carry gradients (n, …) by some values back to all they depend on, and write them into the pass; once a pass."""
    total: dict[str, Array] = {}
    shared: dict[str, dict[str, Array]] = defaultdict(dict)
    for name, seed in seeds:
        _add(total, name, np.ascontiguousarray(batch_last(seed)))
    for node in reversed(graph.nodes):
        if node.id not in total or node.id in done.given:
            continue
        site = done.sites[node.id]
        site.dy = total[node.id]
        site.dx = tuple(np.zeros_like(x) if x.dtype.kind in "fc" else None for x in site.x)
        site.dparams = {name: np.zeros_like(value) for name, value in site.params.items()}
        rule(node, site)
        for name, dx in zip(node.inputs, site.dx, strict=True):
            if dx is not None:
                _add(total, name, dx)
        for name, gradient in site.dparams.items():
            assert gradient is not None
            _add(shared[node.owner], name, gradient)
    done.gradients = {name: batch_first(gradient) for name, gradient in total.items()}
    done.parameter_gradients = dict(shared)


def _inputs(graph: Graph, inputs: Mapping[str, Array], rows: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """The inputs as nodes read them, and those with a row of ones below."""
    values = {name: batch_last(array) for name, array in inputs.items()}
    with_one = {}
    for name, spec in graph.inputs.items():
        if spec.dtype == "float":
            value, raised = new_value(spec.axes, rows, values[name].dtype)
            value[...] = values[name]
            values[name] = value
            if raised is not None:
                with_one[name] = raised
    return values, with_one


def _loss_sites(
    graph: Graph, values: Mapping[str, Array], targets: Mapping[str, Array], sample_weights: Mapping[int, Array]
) -> list[LossSite]:
    """Where each loss term computes; none at all where a target is not given."""
    if any(loss.target not in targets for loss in graph.losses):
        return []
    sites = []
    for index, loss in enumerate(graph.losses):
        assert loss.input is not None and loss.target is not None
        y = values[loss.input]
        value = np.zeros((), at_least_double(y.dtype))
        sites.append(LossSite(y, batch_last(targets[loss.target]), np.zeros_like(y), value, sample_weights.get(index)))
    return sites


def _run(calls: Iterable[Call]) -> None:
    for call in calls:
        call()


def _add(totals: dict[str, Array], name: str, part: Array) -> None:
    totals[name] = totals[name] + part if name in totals else part
