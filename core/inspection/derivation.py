"""A pass written out with its numbers, forward, backward and along a chain: once as Markdown, once as LaTeX."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Final

import numpy as np

from core.arrays import Array, Shape
from core.graph.graph import Node
from core.graph.interpreter import Pass
from core.inspection.batch import Posed
from core.inspection.chain import Chain, Factor, Term
from core.inspection.objective import Objective
from core.inspection.tensors import rms

MOST_NODES = 100
MOST_TERMS = 30
MOST_ENTRIES = 24
"""Of an array; a larger one is written as its shape and size."""


@dataclass(frozen=True)
class Derivable:
    """What a derivation is about."""

    posed: Posed
    done: Pass
    objective: Objective
    gradient: Array
    """d objective / d parameters, flat."""

    chain: Chain | None


@dataclass(frozen=True)
class Notation:
    """One way to write."""

    entry: Callable[[str], str]
    """A name with its indices, such as `h.W[0][1]`."""

    slope: Callable[[str, str], str]
    """d first / d second, both written already."""

    number: Callable[[float], str]
    matrix: Callable[[Array], str]
    """An array (…) small enough to be read."""

    size: Callable[[Shape, float], str]
    """A larger one by its shape and root mean square."""

    call: Callable[[str, str], str]
    """An op by its kind, and what it is applied to."""

    words: Callable[[str], str]
    times: str

    def array(self, array: Array) -> str:
        """An array in full or by its size."""
        if array.size <= MOST_ENTRIES and array.ndim <= 2:
            return self.matrix(array)
        return self.size(array.shape, rms(array))

    def derivative(self, written: str) -> str:
        """A factor that is written `dy[0]/do[0]`."""
        above, below = written[1:].split("/d", 1)
        return self.slope(self.entry(above), self.entry(below))

    def factor(self, number: float | None) -> str:
        """A number as it may stand behind a sign."""
        written = self.number(np.nan if number is None else number)
        return f"({written})" if written.startswith("-") else written


@dataclass(frozen=True)
class Section:
    """A heading, and its lines as the sides of equations."""

    heading: str
    lines: list[Sequence[str]]


def markdown(about: Derivable) -> str:
    """Headings, and an equation an item."""
    parts = []
    for section in _sections(about, TEXT):
        items = [f"- `{' = '.join(sides)}`" if len(sides) > 1 else f"- {sides[0]}" for sides in section.lines]
        parts.append("\n".join([f"## {section.heading}", "", *items]))
    return "\n\n".join(parts) + "\n"


def latex(about: Derivable) -> str:
    """One `aligned` environment."""
    lines = []
    for section in _sections(about, LATEX):
        lines.append(rf"&\textbf{{{_escaped(section.heading)}}}")
        lines += [f"{first} &= {' = '.join(rest)}" if rest else f"&{first}" for first, *rest in section.lines]
    body = " \\\\\n".join(lines)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _sections(about: Derivable, notation: Notation) -> Iterator[Section]:
    nodes = about.posed.graph.nodes[:MOST_NODES]
    left = len(about.posed.graph.nodes) - len(nodes)
    more = [[notation.words(f"… and {left} more nodes")]] if left else []
    yield Section("Forward", [*_inputs(about, notation), *_forward(about, notation, nodes), *more])
    yield Section("Loss", list(_loss(about, notation)))
    yield Section("Backward", [*more, *_backward(about, notation, nodes)])
    if about.chain is not None:
        yield Section(f"Chain rule for {about.chain.param}", list(_chain(about.chain, notation)))


def _inputs(about: Derivable, notation: Notation) -> Iterator[Sequence[str]]:
    for name in about.posed.graph.inputs:
        yield [notation.entry(name), notation.array(_of_examples(about.posed.examples.inputs[name]))]


def _forward(about: Derivable, notation: Notation, nodes: Sequence[Node]) -> Iterator[Sequence[str]]:
    params = about.posed.graph.views(about.posed.parameters)
    for node in nodes:
        for name in node.parameters if node.owner == node.id else ():
            yield [notation.entry(f"{node.id}.{name}"), notation.array(params[node.id][name])]
        read = [notation.entry(name) for name in node.inputs]
        uses = [notation.entry(f"{node.owner}.{name}") for name in node.parameters]
        written = notation.call(node.op.op, ", ".join(read) + ("; " + ", ".join(uses) if uses else ""))
        yield [notation.entry(node.id), written, notation.array(_of_examples(about.done.values[node.id]))]


def _loss(about: Derivable, notation: Notation) -> Iterator[Sequence[str]]:
    graph, summands = about.posed.graph, []
    for index, (loss, term) in enumerate(zip(graph.losses, about.objective.loss_terms, strict=True)):
        name = notation.entry(f"L[{index}]")
        judged = f"{notation.entry(str(loss.input))}, {notation.entry(str(loss.target))}"
        yield [name, notation.call(loss.kind, judged), notation.number(term)]
        summands.append(name if loss.weight == 1 else notation.number(loss.weight) + notation.times + name)
    for index, (penalty, term) in enumerate(zip(graph.penalties, about.objective.penalties, strict=True)):
        name = notation.entry(f"P[{index}]")
        yield [name, notation.call(penalty.kind, notation.number(penalty.strength)), notation.number(term)]
        summands.append(name)
    yield [notation.entry("L"), " + ".join(summands), notation.number(about.objective.total)]


def _backward(about: Derivable, notation: Notation, nodes: Sequence[Node]) -> Iterator[Sequence[str]]:
    graph, gradients = about.posed.graph, about.done.gradients
    params = graph.views(about.gradient)
    for node in reversed(nodes):
        if node.id in gradients:
            yield [notation.derivative(f"dL/d{node.id}"), notation.array(_of_examples(gradients[node.id]))]
        for name in node.parameters if node.owner == node.id else ():
            yield [notation.derivative(f"dL/d{node.id}.{name}"), notation.array(params[node.id][name])]
    for name in graph.inputs:
        if name in gradients:
            yield [notation.derivative(f"dL/d{name}"), notation.array(_of_examples(gradients[name]))]


def _chain(chain: Chain, notation: Notation) -> Iterator[Sequence[str]]:
    for term in chain.terms[:MOST_TERMS]:
        yield list(_term(term, notation))
    left = [term.product for term in chain.terms[MOST_TERMS:]]
    if left:
        total = notation.number(sum(np.nan if product is None else product for product in left))
        yield [notation.words(f"… and {len(left)} more terms, together {{}}").replace("{}", total)]
    for sentence in chain.grouped:
        yield [notation.words(sentence)]
    yield [notation.words("sum of the terms"), notation.factor(chain.sum)]
    yield [notation.derivative(f"dL/d{chain.param}"), notation.factor(chain.gradient)]


def _term(term: Term, notation: Notation) -> Iterator[str]:
    """Symbols, numbers and product of one path."""
    yield notation.times.join(_symbol(factor, notation) for factor in term.factors)
    if len(term.factors) > 1 and all(factor.entry for factor in term.factors):
        yield notation.times.join(notation.factor(factor.value) for factor in term.factors)
    yield notation.number(np.nan if term.product is None else term.product)


def _symbol(factor: Factor, notation: Notation) -> str:
    return notation.derivative(factor.entry or factor.of)


def _of_examples(array: Array) -> Array:
    """A value (n, …); of a single example without the axis of the batch."""
    return array[0] if len(array) == 1 else array


def _text_number(number: float) -> str:
    return f"{number:.6g}"


def _text_matrix(array: Array) -> str:
    if array.ndim == 0:
        return _text_number(float(array))
    return "[" + ", ".join(_text_matrix(part) for part in array) + "]"


def _text_size(shape: Shape, size: float) -> str:
    return f"{' × '.join(map(str, shape))} numbers, rms {_text_number(size)}"


def _escaped(words: str) -> str:
    """Words between the braces of `\\text`."""
    return re.sub(r"([_{}&%$#])", r"\\\1", words).replace("…", r"\dots{}")


def _latex_entry(written: str) -> str:
    name, _, index = written.partition("[")
    symbol = name if name in {"L", "P"} else rf"\text{{{_escaped(name)}}}"
    return symbol + (f"_{{{index[:-1].replace('][', ',')}}}" if index else "")


def _latex_number(number: float) -> str:
    if not isfinite(number):
        return r"\text{nan}" if isnan(number) else r"\infty" if number > 0 else r"-\infty"
    mantissa, _, exponent = _text_number(number).partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa


def _latex_matrix(array: Array) -> str:
    if array.ndim == 0:
        return _latex_number(float(array))
    rows = [" & ".join(_latex_number(float(entry)) for entry in row) for row in np.atleast_2d(array)]
    body = r" \\ ".join(rows)
    return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}"


def _latex_size(shape: Shape, size: float) -> str:
    axes = r" \times ".join(map(str, shape))
    return rf"{axes} \text{{ numbers, rms }} {_latex_number(size)}"


TEXT: Final = Notation(
    entry=str,
    slope=lambda above, below: f"d{above}/d{below}",
    number=_text_number,
    matrix=_text_matrix,
    size=_text_size,
    call=lambda kind, operands: f"{kind}({operands})",
    words=str,
    times=" · ",
)

LATEX: Final = Notation(
    entry=_latex_entry,
    slope=lambda above, below: rf"\frac{{\partial {above}}}{{\partial {below}}}",
    number=_latex_number,
    matrix=_latex_matrix,
    size=_latex_size,
    call=lambda kind, operands: rf"\operatorname{{{_escaped(kind)}}}\left({operands}\right)",
    words=lambda words: rf"\text{{{_escaped(words)}}}",
    times=r" \cdot ",
)
