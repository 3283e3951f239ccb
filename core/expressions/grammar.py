"""The grammar of formulas: text to postfix steps, by loops only, so that no depth of brackets overflows a stack.

    program    = statement { ";" statement } [ ";" ]
    statement  = [ name ( "=" | "+=" | "-=" | "*=" | "/=" | "**=" ) ] expression
    expression = sums of products of signed powers; ** binds right and before a sign: -x**2 is -(x**2)
    operand    = number | name | function "(" expression { "," expression } ")" | "(" expression ")"

The last statement is the value.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from core.errors import Invalid, Problem
from core.expressions.operations import FUNCTIONS, OPERATIONS


@dataclass(frozen=True)
class Number:
    """Push this constant."""

    value: float
    position: int


@dataclass(frozen=True)
class Name:
    """Push what this name stands for."""

    name: str
    position: int


@dataclass(frozen=True)
class Apply:
    """Replace the last `count` values by the operation's result."""

    op: str
    count: int
    position: int


Step = Number | Name | Apply


@dataclass(frozen=True)
class Statement:
    """A formula in postfix order and the name its value gets, if any."""

    name: str | None
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class _Token:
    kind: Literal["number", "call", "name", "sign", "end"]
    text: str
    position: int


@dataclass
class _Opening:
    """An open bracket, or a function with its own; a function's arguments are counted."""

    position: int
    function: str | None = None
    arguments: int = 1


@dataclass(frozen=True)
class _Pending:
    """An operator that waits for its right operand."""

    op: str
    position: int


@dataclass
class _Formula:
    """What is known of a formula up to the token in hand: finished steps, and what still waits."""

    steps: list[Step] = field(default_factory=list)
    waiting: list[_Opening | _Pending] = field(default_factory=list)
    wants_operand: bool = True


# re.ASCII: \d would take Arabic digits too.
_TOKEN: Final = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|"
    r"(?P<call>[A-Za-z_]\w*)\s*\(|(?P<name>[A-Za-z_]\w*)|(?P<sign>\*\*=|\*\*|[-+*/]=|[-+*/(),;=])",
    re.ASCII,
)
_BINARY: Final = {"+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow"}
_SIGNS: Final = {"-": "neg", "+": "pos"}
_PRECEDENCE: Final = {"add": 1, "sub": 1, "mul": 2, "div": 2, "neg": 3, "pos": 3, "pow": 4}
_OPERAND: Final = "a number, a name, a function or '('"


def parse(text: str) -> tuple[Statement, ...]:
    """The statements of a program; only the last may have no name.

    Raises Invalid, pointing at `/expression`, with the character at which the text stops being a formula.
    """
    tokens = _tokens(text)
    statements: list[Statement] = []
    start = 0
    for at, token in enumerate(tokens):
        if token.text == ";" or token.kind == "end":
            if at > start or token.kind != "end" or not statements:
                statements.append(_statement([*tokens[start:at], _Token("end", token.text, token.position)]))
            start = at + 1
            if statements[-1].name is None and any(later.kind != "end" for later in tokens[start:]):
                raise _mistake(token.position, "this value is never used: give it a name, as in y = ...")
    return tuple(statements)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n":
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            hint = "; a power is written **" if text[at] == "^" else ""
            raise _mistake(at, f"{text[at]!a} is not part of a formula{hint}")
        kind = cast(Literal["number", "call", "name", "sign"], match.lastgroup)
        tokens.append(_Token(kind, match.group(kind), at))
        at = match.end()
    return [*tokens, _Token("end", "", len(text))]


def _statement(tokens: list[_Token]) -> Statement:
    first, second = tokens[0], tokens[min(1, len(tokens) - 1)]
    if not second.text.endswith("="):
        return Statement(None, _postfix(tokens))
    if first.kind != "name":
        raise _mistake(first.position, "only a name can be assigned to", first.text)
    if first.text in FUNCTIONS:
        raise _mistake(first.position, f"{first.text} is a function and cannot be assigned to")
    steps = _postfix(tokens[2:])
    if second.text != "=":
        op = _BINARY[second.text[:-1]]
        steps = (Name(first.text, first.position), *steps, Apply(op, 2, second.position))
    return Statement(first.text, steps)


def _postfix(tokens: list[_Token]) -> tuple[Step, ...]:
    """Dijkstra's shunting yard: operators wait on a stack until one that binds less follows."""
    formula = _Formula()
    for token in tokens:
        if formula.wants_operand:
            _operand(formula, token)
        elif token.kind != "end":
            _operator(formula, token)
    _release(formula, 0)
    if formula.waiting:
        raise _mistake(formula.waiting[-1].position, "this '(' is never closed")
    return tuple(formula.steps)


def _operand(formula: _Formula, token: _Token) -> None:
    """Take the token where an operand is due: a number, a name, a call, a bracket or a sign before one."""
    if token.kind == "number":
        formula.steps.append(Number(_number(token), token.position))
        formula.wants_operand = False
    elif token.kind == "name":
        if token.text in FUNCTIONS:
            raise _mistake(token.position, f"expected '(' after the function {token.text}")
        formula.steps.append(Name(token.text, token.position))
        formula.wants_operand = False
    elif token.kind == "call":
        if token.text not in FUNCTIONS:
            raise _mistake(token.position, f"there is no function {token.text}", allowed=FUNCTIONS)
        formula.waiting.append(_Opening(token.position, token.text))
    elif token.text == "(":
        formula.waiting.append(_Opening(token.position))
    elif token.text in _SIGNS:
        formula.waiting.append(_Pending(_SIGNS[token.text], token.position))
    else:
        raise _mistake(token.position, f"expected {_OPERAND}", token.text or "the end")


def _operator(formula: _Formula, token: _Token) -> None:
    """Take the token after an operand: an operator, a comma or a closing bracket."""
    if token.text in _BINARY:
        op = _BINARY[token.text]
        # ** binds to the right, so an equal one on the stack keeps waiting.
        _release(formula, _PRECEDENCE[op] + (op == "pow"))
        formula.waiting.append(_Pending(op, token.position))
        formula.wants_operand = True
    elif token.text in (")", ","):
        _release(formula, 0)
        opening = formula.waiting[-1] if formula.waiting else None
        if not isinstance(opening, _Opening):
            raise _mistake(token.position, f"there is no open '(' for this {token.text!r}")
        if token.text == ")":
            _close(formula, opening)
        elif opening.function is None:
            raise _mistake(token.position, "a ',' may only stand between the arguments of a function")
        else:
            opening.arguments += 1
            formula.wants_operand = True
    else:
        expected = "expected an operator" + (" or ')'" if formula.waiting else ", ';' or the end")
        raise _mistake(token.position, expected, token.text)


def _release(formula: _Formula, precedence: int) -> None:
    """Apply the waiting operators, back to the last bracket, that bind at least this tightly."""
    while formula.waiting:
        last = formula.waiting[-1]
        if not isinstance(last, _Pending) or _PRECEDENCE[last.op] < precedence:
            return
        formula.waiting.pop()
        _apply(formula.steps, last)


def _apply(steps: list[Step], operator: _Pending) -> None:
    if operator.op == "pos":
        return
    if operator.op == "neg":
        operand = steps[-1]
        # The sign of a written number is part of it.
        if isinstance(operand, Number) and operand.position > operator.position:
            steps[-1] = Number(-operand.value, operator.position)
            return
        steps.append(Apply("neg", 1, operator.position))
        return
    steps.append(Apply(operator.op, 2, operator.position))


def _close(formula: _Formula, opening: _Opening) -> None:
    formula.waiting.pop()
    if opening.function is None:
        return
    least, most = OPERATIONS[opening.function].least, OPERATIONS[opening.function].most
    if opening.arguments < least or (most is not None and opening.arguments > most):
        wanted = f"{least} argument{'s' * (least > 1)}" + (" or more" if most is None else "")
        raise _mistake(opening.position, f"{opening.function} takes {wanted}", opening.arguments)
    formula.steps.append(Apply(opening.function, opening.arguments, opening.position))


def _number(token: _Token) -> float:
    value = float(token.text)
    if not math.isfinite(value):
        raise _mistake(token.position, "this number is too large for a float64", token.text)
    return value


def _mistake(
    position: int, detail: str, got: str | int | None = None, allowed: tuple[str, ...] | None = None
) -> Invalid:
    """Positions are told as people count: the first character is 1."""
    ending = "" if got is None else f", got {got if got == 'the end' else repr(got)}"
    told = f"at character {position + 1}: {detail}{ending}"
    return Invalid([Problem("/expression", told, list(allowed) if allowed else None, got)])
