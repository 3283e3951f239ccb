"""The chain rule for one parameter, path by path: every product of local derivatives from the loss to it.

The number of paths can be exponential in depth, so they are followed from the parameter towards the loss only as far
as they can be listed. Where they would become too many, those that have come to the same entry of a node are ended
there by dL / d entry, which is the sum over all paths from the loss to it. So the terms always add up to the gradient.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import Model, batch_last, size_of
from core.graph.graph import Node
from core.graph.interpreter import Pass
from core.inspection.batch import Posed
from core.inspection.effort import CALLING
from core.inspection.local_derivatives import Entry, LocalDerivatives
from core.inspection.objective import flat_gradient
from core.inspection.parameter_entry import ParameterEntry
from core.inspection.tensors import finite

MOST_TERMS = 200
MOST_FACTORS = 20_000
"""In all terms together."""

MOST_PASSES = 20_000
"""Backward passes of single ops."""

MOST_OPERATIONS = 5e9
"""Floating-point operations of these passes."""

ROUNDINGS = 1000
"""How many roundings sum and gradient may differ by, beside one for each factor; in units of the sum of |product|."""

_EPSILON, _LEAST = float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)


class Factor(Model):
    """One derivative along a path."""

    of: str
    """Which, by nodes: `dL/dy`, `dy/do`, and at the end `do/do.W`; `dP/do.W` for a penalty."""

    entry: str | None
    """Which, by entries: `dy[0]/do[0]`. With several examples the first index of a value is the example. null where
    all entries are taken together."""

    value: float | None
    """null where all entries are taken together, or not finite."""


class Term(Model):
    """One path: the product of its factors is its part of the gradient."""

    path: list[str]
    """The nodes passed after that which the first factor is by, to the one that has the parameter."""

    example: int | None
    """Row of the batch whose value the first factor is by; null for a penalty, and for uses that are one term."""

    loss: int | None
    """The loss term that it begins at; null where it begins at a gathered gradient or a penalty."""

    gathered: bool
    """Whether the first factor is already the sum over all paths from the loss to where it is taken."""

    factors: list[Factor]
    """From the loss to the parameter."""

    product: float | None


class Chain(Model):
    """The gradient of the objective by one parameter as a sum over paths."""

    param: str
    gradient: float | None
    """As back-propagation found it."""

    terms: list[Term]
    """Paths along which every factor but the first differs from 0, and the pull of each penalty."""

    sum: float | None
    """Of the products."""

    agrees: bool | None
    """Whether sum and gradient are the same to rounding; null where either is not finite."""

    grouped: list[str]
    """Where paths were taken together, each in a sentence; empty when every path is listed."""


@dataclass(frozen=True, eq=False)
class _Path:
    """The end of a path that has been followed so far: from an entry to the parameter."""

    head: Entry
    factor: Factor
    """Of which the head stands above."""

    rest: "_Path | None"
    """What comes behind that factor; None where it is by the parameter."""

    product: float
    length: int = 1

    def before(self, entry: Entry, factor: Factor, value: float) -> "_Path":
        """The path with one more factor in front."""
        return _Path(entry, factor, self, value * self.product, self.length + 1)

    def steps(self) -> "Iterator[_Path]":
        """This path and every shorter end of it."""
        step: _Path | None = self
        while step is not None:
            yield step
            step = step.rest


def chain_of(posed: Posed, done: Pass, param: ParameterEntry) -> Chain:
    """The chain of a pass with its backward half."""
    gradient = param.among(flat_gradient(posed.graph, posed.parameters, done))
    follower = _Follower(posed, done, param)
    follower.follow()
    terms = [*follower.terms, *_pulls(posed, param)]
    products = [math.nan if term.product is None else term.product for term in terms]
    total = math.fsum(products) if all(map(math.isfinite, products)) else math.nan
    size = math.fsum(map(abs, products)) if math.isfinite(total) else math.nan
    is_known = math.isfinite(gradient) and math.isfinite(size)
    return Chain(
        param=str(param),
        gradient=finite(gradient),
        terms=terms,
        sum=finite(total),
        agrees=abs(total - gradient) <= _rounding(terms) * size + _LEAST if is_known else None,
        grouped=follower.grouped,
    )


def _rounding(terms: Sequence[Term]) -> float:
    return _EPSILON * (ROUNDINGS + max((len(term.factors) for term in terms), default=0))


def _pulls(posed: Posed, param: ParameterEntry) -> list[Term]:
    """A term for each penalty on the parameter."""
    terms, at = [], slice(param.position, param.position + 1)
    for number, penalty in enumerate(posed.graph.penalties):
        if param.piece not in posed.graph.penalized(penalty):
            continue
        pull = np.zeros(1)
        for call in penalty.gradient(posed.parameters[at], pull):
            call()
        value = finite(float(pull[0]))
        factor = Factor(of=f"dP/d{param.tensor}", entry=f"dP[{number}]/d{param}", value=value)
        terms.append(Term(path=[], example=None, loss=None, gathered=False, factors=[factor], product=value))
    return terms


def operations_of(posed: Posed) -> float:
    """Floating-point operations that a chain takes at most."""
    nodes, rows = posed.graph.nodes, posed.examples.rows
    each = (rows * size_of(node.shape) * _pass_operations(node, rows) for node in nodes)
    return min(sum(each), MOST_OPERATIONS + MOST_PASSES * CALLING)


def _pass_operations(node: Node, rows: int) -> float:
    parameters = sum(size_of(spec.shape) for spec in node.parameters.values())
    inputs = rows * sum(map(size_of, node.input_shapes))
    return CALLING + 2.0 * (parameters + inputs) + 3.0 * rows * node.op.flops(node.input_shapes)


class _Follower:
    """Follows all paths from the parameter towards the loss, node by node in topological order."""

    def __init__(self, posed: Posed, done: Pass, param: ParameterEntry) -> None:
        self._graph, self._rows, self._done, self._param = posed.graph, posed.examples.rows, done, param
        self._local = LocalDerivatives(posed.graph, done)
        self._pending: dict[str, list[_Path]] = {}
        self._passes, self._operations = 0, 0.0
        self._rest: list[float] = []
        self.terms: list[Term] = []
        self.grouped: list[str] = []

    def follow(self) -> None:
        """Write all terms but those of penalties."""
        for node in self._graph.nodes:
            if node.owner == self._param.piece.node and node.id in self._done.gradients:
                self._begin(node)
            heads = self._pending.pop(node.id, None)
            if heads is not None:
                self._go_on(node, heads)
        if self._rest:
            self.grouped.append(f"{len(self._rest)} more uses of {self._param} are one term")
            everything = Factor(of=f"dL/d{self._param.tensor}", entry=None, value=None)
            product = finite(sum(self._rest))
            self.terms.append(
                Term(path=[], example=None, loss=None, gathered=True, factors=[everything], product=product)
            )

    def _begin(self, node: Node) -> None:
        """The first factors of the paths through one use of the parameter."""
        name, index = self._param.piece.name, self._param.index
        found = list(self._local.by_parameter(node, name, index)) if self._affords([node]) else None
        if found is None or self._count() + len(found) > MOST_TERMS:
            self._take_together(node)
            return
        of = f"d{node.id}/d{self._param.tensor}"
        for entry, value in found:
            factor = Factor(of=of, entry=f"d{self._name(entry)}/d{self._param}", value=finite(value))
            self._pending.setdefault(node.id, []).append(_Path(entry, factor, None, value))

    def _take_together(self, node: Node) -> None:
        """One term an example for all entries of a node that the parameter reaches; of too many uses only the sum."""
        shares = self._local.shares(node, self._param.piece.name, self._param.index)
        if self._count() + len(shares) > MOST_TERMS:
            self._rest.append(sum(shares))
            return
        self.grouped.append(
            f"the entries of {node.id!r} that {self._param} reaches are taken together: each of its terms is the sum "
            f"over them of dL/d{node.id} times d{node.id}/d{self._param}"
        )
        names = (f"dL/d{node.id}", f"d{node.id}/d{self._param.tensor}")
        for example, product in enumerate(shares):
            factors = [Factor(of=of, entry=None, value=None) for of in names]
            self.terms.append(
                Term(path=[], example=example, loss=None, gathered=True, factors=factors, product=finite(product))
            )

    def _go_on(self, node: Node, heads: list[_Path]) -> None:
        """Lengthen the paths that have come to a node, or gather what comes to it from the loss."""
        judged = [(path, term) for path in heads for term in self._judged(path)]
        ahead = self._lengthened(node, heads, len(judged))
        if ahead is None:
            self.grouped.append(f"all paths from the loss to an entry of {node.id!r} are one factor, dL/d{node.id}")
            self.terms += [self._gathered(path) for path in heads]
            return
        self.terms += [term for _, term in judged]
        for _, path in ahead:
            self._pending.setdefault(path.head.node, []).append(path)
        # Where every factor ahead is 0 the path ends with a dL / d entry of 0, which is why nothing comes through.
        alive = {path.head.index for path, _ in (*judged, *ahead)}
        self.terms += [self._gathered(path) for path in heads if path.head.index not in alive]

    def _lengthened(self, node: Node, heads: list[_Path], judged: int) -> list[tuple[_Path, _Path]] | None:
        """Each path with one more factor behind it; None where they would become too many or too long."""
        readers = self._local.readers(node.id)
        if not self._affords(readers):
            return None
        by_index: dict[tuple[int, ...], list[_Path]] = {}
        for path in heads:
            by_index.setdefault(path.head.index, []).append(path)
        ahead: list[tuple[_Path, _Path]] = []
        others = self._count() + judged
        length = heads[0].length + 1
        for reader in readers:
            for index, entry, value in self._local.by_inputs(reader, node.id, list(by_index)):
                factor = Factor(
                    of=f"d{reader.id}/d{node.id}",
                    entry=f"d{self._name(entry)}/d{self._name(Entry(node.id, index))}",
                    value=finite(value),
                )
                ahead += [(path, path.before(entry, factor, value)) for path in by_index[index]]
                if others + len(ahead) > MOST_TERMS or (others + len(ahead)) * length > MOST_FACTORS:
                    return None
        return ahead

    def _judged(self, path: _Path) -> list[Term]:
        """The paths that end here, since a loss looks at the node."""
        terms = []
        for number, (loss, site) in enumerate(zip(self._graph.losses, self._done.loss_sites, strict=True)):
            if loss.input == path.head.node:
                assert site.dy is not None
                slope = float(site.dy[path.head.index])
                if slope != 0:
                    terms.append(self._term(path, slope, loss=number))
        return terms

    def _gathered(self, path: _Path) -> Term:
        slope = batch_last(self._done.gradients[path.head.node])[path.head.index]
        return self._term(path, float(slope), loss=None)

    def _term(self, path: _Path, slope: float, loss: int | None) -> Term:
        """A path with its first factor, dL / d its head."""
        first = Factor(of=f"dL/d{path.head.node}", entry=f"dL/d{self._name(path.head)}", value=finite(slope))
        steps = list(path.steps())
        return Term(
            path=[step.head.node for step in steps[1:]],
            example=path.head.index[-1],
            loss=loss,
            gathered=loss is None,
            factors=[first, *(step.factor for step in steps)],
            product=finite(slope * path.product),
        )

    def _affords(self, nodes: list[Node]) -> bool:
        """Whether all local derivatives of these nodes can still be computed; counts them if so."""
        passes = sum(self._local.rows(node) for node in nodes)
        operations = sum(self._local.rows(node) * _pass_operations(node, self._rows) for node in nodes)
        fits = self._passes + passes <= MOST_PASSES and self._operations + operations <= MOST_OPERATIONS
        if fits:
            self._passes, self._operations = self._passes + passes, self._operations + operations
        return fits

    def _count(self) -> int:
        return len(self.terms) + sum(map(len, self._pending.values()))

    def _name(self, entry: Entry) -> str:
        """`y[0]`; with several examples `y[2][0]`, the example first."""
        *index, example = entry.index
        whole = index if self._rows == 1 else [example, *index]
        return entry.node + "".join(f"[{at}]" for at in whole)
