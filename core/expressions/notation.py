"""How formulas and their derivatives are written: once as plain text, once as LaTeX."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from core.expressions.graph import Constant, Graph, Node, Variable


@dataclass(frozen=True)
class Notation:
    """One way to write: templates in which {0} and {1} stand for the operands of an operation."""

    values: dict[str, str]
    rules: dict[str, tuple[str, ...]]
    """The textbook derivative to each operand."""

    extreme: str
    share: str
    """A min or max, and its derivative to one operand; it may have hundreds."""

    name: Callable[[str], str]
    number: Callable[[float], str]
    bracket: str
    slope: str
    times: str
    equals: str

    def label(self, graph: Graph, index: int) -> str:
        """A vertex by its name, its id or its number."""
        vertex = graph.vertices[index]
        match vertex:
            case Constant():
                return self.factor(vertex.value)
            case Variable():
                return self.name(vertex.name)
            case Node():
                return self.name(vertex.id)

    def factor(self, number: float) -> str:
        """A number as it may stand after a sign."""
        written = self.number(number)
        return self.bracket.format(written) if written.startswith("-") or " " in written else written

    def value(self, graph: Graph, node: Node) -> str:
        """The operation with its operands in place."""
        operands = self._operands(graph, node)
        if node.op in ("min", "max"):
            return self.extreme.format(node.op, ", ".join(operands))
        return self.values[node.op].format(*operands)

    def rule(self, graph: Graph, node: Node, place: int) -> str:
        """The derivative of the operation to one operand."""
        if node.op in ("min", "max"):
            return self.share.format(node.op, place + 1)
        return self.rules[node.op][place].format(*self._operands(graph, node))

    def derivative(self, graph: Graph, index: int) -> str:
        """d output / d vertex."""
        return self.slope.format(self.label(graph, index))

    def _operands(self, graph: Graph, node: Node) -> Sequence[str]:
        return [self.label(graph, operand) for operand in node.operands]


def _latex_name(name: str) -> str:
    """x1 as x_{1}, n3 as n_{3}, a longer word upright."""
    parts = re.fullmatch(r"([A-Za-z])_?(\d*)", name)
    if parts is None:
        return r"\mathrm{" + name.replace("_", r"\_") + "}"
    return parts[1] + (f"_{{{parts[2]}}}" if parts[2] else "")


def _latex_number(number: float) -> str:
    mantissa, _, exponent = repr(number).partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa


TEXT: Final = Notation(
    values={
        "add": "{0} + {1}", "sub": "{0} - {1}", "mul": "{0} * {1}", "div": "{0} / {1}", "pow": "{0}**{1}",
        "neg": "-{0}", "exp": "exp({0})", "log": "log({0})", "sqrt": "sqrt({0})", "sin": "sin({0})",
        "cos": "cos({0})", "tan": "tan({0})", "tanh": "tanh({0})", "sigmoid": "sigmoid({0})", "relu": "relu({0})",
        "abs": "abs({0})",
    },
    rules={
        "add": ("1", "1"), "sub": ("1", "-1"), "mul": ("{1}", "{0}"), "div": ("1/{1}", "-{0}/{1}**2"),
        "pow": ("{1}*{0}**({1} - 1)", "{0}**{1}*log({0})"), "neg": ("-1",), "exp": ("exp({0})",),
        "log": ("1/{0}",), "sqrt": ("1/(2*sqrt({0}))",), "sin": ("cos({0})",), "cos": ("-sin({0})",),
        "tan": ("1 + tan({0})**2",), "tanh": ("1 - tanh({0})**2",), "sigmoid": ("sigmoid({0})*(1 - sigmoid({0}))",),
        "relu": ("1 if {0} > 0 else 0",), "abs": ("sign({0})",),
    },
    extreme="{0}({1})",
    share="share of operand {1} in the {0}",
    name=lambda name: name,
    number=repr,
    bracket="({0})",
    slope="df/d{0}",
    times=" * ",
    equals=" = ",
)  # fmt: skip

LATEX: Final = Notation(
    values={
        "add": "{0} + {1}", "sub": "{0} - {1}", "mul": r"{0} \cdot {1}", "div": r"\frac{{{0}}}{{{1}}}",
        "pow": "{{{0}}}^{{{1}}}", "neg": "-{0}", "exp": "e^{{{0}}}", "log": r"\ln {0}", "sqrt": r"\sqrt{{{0}}}",
        "sin": r"\sin {0}", "cos": r"\cos {0}", "tan": r"\tan {0}", "tanh": r"\tanh {0}",
        "sigmoid": r"\sigma\left({0}\right)", "relu": r"\operatorname{{relu}}\left({0}\right)",
        "abs": r"\left|{0}\right|",
    },
    rules={
        "add": ("1", "1"), "sub": ("1", "-1"), "mul": ("{1}", "{0}"),
        "div": (r"\frac{{1}}{{{1}}}", r"-\frac{{{0}}}{{{{{1}}}^{{2}}}}"),
        "pow": (r"{1} \cdot {{{0}}}^{{{1} - 1}}", r"{{{0}}}^{{{1}}} \ln {0}"), "neg": ("-1",),
        "exp": ("e^{{{0}}}",), "log": (r"\frac{{1}}{{{0}}}",), "sqrt": (r"\frac{{1}}{{2\sqrt{{{0}}}}}",),
        "sin": (r"\cos {0}",), "cos": (r"-\sin {0}",), "tan": (r"1 + \tan^2 {0}",), "tanh": (r"1 - \tanh^2 {0}",),
        "sigmoid": (r"\sigma\left({0}\right)\left(1 - \sigma\left({0}\right)\right)",), "relu": ("[{0} > 0]",),
        "abs": (r"\operatorname{{sign}} {0}",),
    },
    extreme=r"\{0}\left({1}\right)",
    share=r"\text{{share of operand {1} in the {0}}}",
    name=_latex_name,
    number=_latex_number,
    bracket=r"\left({0}\right)",
    slope=r"\frac{{\partial f}}{{\partial {0}}}",
    times=r" \cdot ",
    equals=" &= ",
)  # fmt: skip
