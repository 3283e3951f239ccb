"""Data sets that need no file: points drawn by a formula, and small real sets that come with the package."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.data.table import CategoryColumn, Floats, Group, NumberColumn, Table
from core.data.texts import column_of_texts
from core.errors import Invalid, Problem

MOST_ROWS = 1_000_000

Draw = Callable[[np.random.Generator, int, float], Table]


@dataclass(frozen=True)
class Sample:
    """A data set one can ask for by name."""

    name: str
    origin: Literal["generated", "bundled"]
    description: str
    target: str
    rows: int
    """How many it has, or, when generated, has unless another number is asked for."""
    noise: float | None = None
    """Noise of a generated set unless another is asked for; a bundled set has none to choose."""
    licence: str | None = None
    groups: tuple[Group, ...] = ()


def draw_sample(name: str, rows: int | None = None, noise: float | None = None, seed: int | None = None) -> Table:
    """The sample of that name; the same name, rows, noise and seed give the same bits.

    Raises Invalid, with pointers `/sample`, `/rows`, `/noise` and `/seed`.
    """
    sample = SAMPLES.get(name)
    if sample is None:
        raise Invalid([Problem("/sample", "there is no such sample", allowed=[*sorted(SAMPLES)], got=name[:100])])
    if sample.origin == "bundled":
        return _bundled(sample, rows, noise, seed)
    problems = [
        Problem(place, f"is from {least} to {most}", got=given)
        for place, given, least, most in (
            ("/rows", rows, 1, MOST_ROWS),
            ("/noise", noise, 0, 100),
            ("/seed", seed, 0, 2**63),
        )
        if given is not None and not least <= given <= most
    ]
    if problems:
        raise Invalid(problems)
    generator = np.random.default_rng(seed or 0)
    drawn = _DRAW[name](
        generator, sample.rows if rows is None else rows, (sample.noise or 0.0) if noise is None else noise
    )
    return Table(drawn.columns, sample.groups)


def _bundled(sample: Sample, *choices: float | None) -> Table:
    problems = [
        Problem(place, "is not for a sample that comes with the package; only generated ones take it")
        for place, given in zip(("/rows", "/noise", "/seed"), choices, strict=True)
        if given is not None
    ]
    if problems:
        raise Invalid(problems)
    text = (resources.files("core.data") / "bundled" / f"{sample.name}.csv").read_text("utf-8")
    names, *rows = csv.reader(text.splitlines())
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return Table(tuple(column_of_texts(name, cells).column for name, cells in columns), sample.groups)


def _xor(generator: np.random.Generator, rows: int, noise: float) -> Table:
    corner = np.arange(rows) % 4
    exact = np.stack([corner // 2, corner % 2], axis=1).astype(np.float64)
    return _points(exact + noise * generator.standard_normal((rows, 2)), (corner // 2) ^ (corner % 2), ("0", "1"))


def _circles(generator: np.random.Generator, rows: int, noise: float) -> Table:
    label = np.arange(rows) % 2
    angle = generator.uniform(0, 2 * np.pi, rows)
    radius = np.where(label == 1, 0.5, 1.0)
    exact = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _points(exact + noise * generator.standard_normal((rows, 2)), label, ("outer", "inner"))


def _moons(generator: np.random.Generator, rows: int, noise: float) -> Table:
    label = np.arange(rows) % 2
    angle = generator.uniform(0, np.pi, rows)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    exact = np.where(label[:, None] == 1, [1.0, 0.5] - upper, upper)
    return _points(exact + noise * generator.standard_normal((rows, 2)), label, ("upper", "lower"))


def _spirals(generator: np.random.Generator, rows: int, noise: float) -> Table:
    label = np.arange(rows) % 2
    # The square root spreads the points evenly along the arm: without it they crowd in the middle.
    turn = np.sqrt(generator.uniform(0, 1, rows))
    angle = 3 * np.pi * turn + np.pi * label
    exact = turn[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _points(exact + noise * generator.standard_normal((rows, 2)), label, ("first", "second"))


def _gaussians(generator: np.random.Generator, rows: int, noise: float) -> Table:
    label = np.arange(rows) % 3
    angle = 2 * np.pi * label / 3
    exact = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _points(exact + noise * generator.standard_normal((rows, 2)), label, ("a", "b", "c"))


def _linear(generator: np.random.Generator, rows: int, noise: float) -> Table:
    x = generator.uniform(-1, 1, (rows, 2))
    y = 3 * x[:, 0] - 2 * x[:, 1] + 1 + noise * generator.standard_normal(rows)
    return Table((NumberColumn("x1", x[:, 0].copy()), NumberColumn("x2", x[:, 1].copy()), NumberColumn("y", y)))


def _sine(generator: np.random.Generator, rows: int, noise: float) -> Table:
    x = generator.uniform(-np.pi, np.pi, rows)
    return Table((NumberColumn("x", x), NumberColumn("y", np.sin(x) + noise * generator.standard_normal(rows))))


def _adding(generator: np.random.Generator, rows: int, noise: float) -> Table:
    """The second number to be added is marked in the later half, so that the first must be kept for long.

    Source: Hochreiter & Schmidhuber 1997, "Long short-term memory", section 5.4, in the form of Le, Jaitly & Hinton
    2015, "A simple way to initialize recurrent networks of rectified linear units", section 4.1.
    """
    values, markers = generator.uniform(0, 1, (rows, LENGTH)), np.zeros((rows, LENGTH))
    each, half = np.arange(rows), LENGTH // 2
    markers[each, generator.integers(0, half, rows)] = 1.0
    markers[each, generator.integers(half, LENGTH, rows)] = 1.0
    total = (values * markers).sum(axis=1) + noise * generator.standard_normal(rows)
    steps = np.stack([values, markers], axis=2).reshape(rows, -1)
    return Table((*_numbers(_ADDING.columns, steps), NumberColumn("sum", total)))


def _counting(generator: np.random.Generator, rows: int, noise: float) -> Table:
    tokens = generator.integers(0, VOCABULARY, (rows, LENGTH)).astype(np.float64)
    count = (tokens == 1).sum(axis=1) + noise * generator.standard_normal(rows)
    return Table((*_numbers(_COUNTING.columns, tokens), NumberColumn("count", count)))


def _numbers(names: Sequence[str], values: Floats) -> Iterator[NumberColumn]:
    """The columns of values (n, d)."""
    for at, name in enumerate(names):
        yield NumberColumn(name, values[:, at].copy())


def _points(points: Floats, label: NDArray[np.integer], classes: tuple[str, ...]) -> Table:
    """Points (n, 2) as columns x1 and x2, and their classes, sorted as a category column wants them."""
    categories = tuple(sorted(classes))
    code_of_label = np.array([categories.index(name) for name in classes], np.int32)
    return Table(
        (
            NumberColumn("x1", points[:, 0].copy()),
            NumberColumn("x2", points[:, 1].copy()),
            CategoryColumn("class", code_of_label[label], categories),
        )
    )


LENGTH = 20
"""Steps of the sequences of a sample."""

VOCABULARY = 4
"""Tokens of `counting`, from 0."""

_ADDING = Group(
    "sequence", tuple(f"{what}_{step}" for step in range(LENGTH) for what in ("value", "marker")), (LENGTH, 2)
)
_COUNTING = Group("sequence", tuple(f"token_{step}" for step in range(LENGTH)), (LENGTH,))
_IMAGE = Group("image", tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)), (1, 8, 8))

_DRAW: dict[str, Draw] = {
    "xor": _xor,
    "circles": _circles,
    "moons": _moons,
    "spirals": _spirals,
    "gaussians": _gaussians,
    "linear": _linear,
    "sine": _sine,
    "adding": _adding,
    "counting": _counting,
}

_BSD_CC_BY = "BSD-3-Clause, data CC BY 4.0"

SAMPLES: dict[str, Sample] = {
    sample.name: sample
    for sample in (
        Sample(
            "xor", "generated", "The corners of the unit square; class 1 where one coordinate is 1.", "class", 200, 0.1
        ),
        Sample("circles", "generated", "A ring of radius 0.5 inside a ring of radius 1.", "class", 400, 0.05),
        Sample("moons", "generated", "Two half rings, each with its end inside the other.", "class", 400, 0.1),
        Sample("spirals", "generated", "Two arms of one and a half turns about one another.", "class", 400, 0.02),
        Sample("gaussians", "generated", "Three clouds around the corners of a triangle.", "class", 300, 0.5),
        Sample("linear", "generated", "y = 3 x1 − 2 x2 + 1, and noise.", "y", 200, 0.1),
        Sample("sine", "generated", "y = sin x over one period, and noise.", "y", 200, 0.1),
        Sample(
            "adding",
            "generated",
            "20 steps of a number in [0, 1] and a marker; the sum of the two numbers that are marked.",
            "sum",
            4000,
            0.0,
            groups=(_ADDING,),
        ),
        Sample(
            "counting",
            "generated",
            "20 tokens from 0 to 3, for an input of dtype int; how often token 1 occurs.",
            "count",
            2000,
            0.0,
            groups=(_COUNTING,),
        ),
        Sample(
            "digits",
            "bundled",
            "Handwritten digits, 8 × 8 pixels of 0 to 16.",
            "digit",
            1797,
            None,
            _BSD_CC_BY,
            groups=(_IMAGE,),
        ),
        Sample("iris", "bundled", "Sepals and petals of three species of iris.", "species", 150, None, _BSD_CC_BY),
        Sample(
            "penguins", "bundled", "Sizes of three species of penguins, with gaps.", "species", 344, None, "CC0 1.0"
        ),
        Sample(
            "cars",
            "bundled",
            "Cars of 1970 to 1982 and their miles per gallon, with gaps.",
            "mpg",
            398,
            None,
            "MIT, data CC BY 4.0",
        ),
    )
}
