"""What an output is compared with: zeros, the mean of training rows, rows of the training split, or what is given."""

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import Discriminator, Field, Tag

from core.arrays import Array, Tensor, size_of
from core.errors import Invalid, Problem, pointer
from core.inspection.batch import MOST_VALUES
from core.inspection.explained import Explained, point_of
from core.inspection.output_gradient import without_loss
from core.inspection.question import History
from core.op import Name

MOST_BASELINES = 1000
MOST_AVERAGED = 1000
"""Training rows, in equal distances, that the mean of a node's value is taken over."""

Given = dict[Name, Tensor]

Baseline = Annotated[
    Annotated[Literal["zeros", "mean"], Tag("by rule")]
    | Annotated[Given, Field(min_length=1, max_length=1000), Tag("given")],
    Discriminator(lambda value: "given" if isinstance(value, dict) else "by rule"),
]


def baseline_of(explained: Explained, asked: Baseline, history: History | None) -> dict[str, Array]:
    """The baseline of each example, spread over all. Raises Invalid at `/baseline`."""
    if asked == "zeros":
        return {name: np.zeros_like(array) for name, array in explained.point.items()}
    if asked == "mean":
        if history is None:
            detail = "the mean is that of training rows, which only a model has; give the baseline itself"
            raise Invalid([Problem("/baseline", detail, got="mean")])
        rows = _training_values(explained, history, MOST_AVERAGED)
        return explained.spread({name: array.mean(axis=0) for name, array in rows.items()})
    check_names(explained, asked, "baseline")
    problems = [
        Problem(pointer("baseline", name), f"must be one example of shape {list(shape)}, or one for each example")
        for name, shape in explained.shapes.items()
        if asked[name].shape not in {shape, (explained.rows, *shape)}
    ]
    if problems:
        raise Invalid(problems)
    return explained.spread(asked)


def baselines_of(
    explained: Explained, asked: Given | None, history: History | None, *, samples: int, seed: int
) -> list[dict[str, Array]]:
    """Several baselines, each spread over all examples: those given, or rows of the training split. Raises Invalid."""
    rows = asked
    if asked is None:
        if history is None:
            detail = "expected gradients start at rows of the training split, which only a model has; give `baselines`"
            raise Invalid([Problem("/baselines", detail)])
        rows = _training_values(explained, history, samples, np.random.default_rng([seed, *b"baselines"]))
    assert rows is not None
    count = len(next(iter(rows.values())))
    return [explained.spread({name: array[row] for name, array in rows.items()}) for row in range(count)]


def check_stack(explained: Explained, given: Mapping[str, Array], member: str, most: int) -> None:
    """Raise Invalid unless each place, and nothing else, has equally many arrays of the shape of one example."""
    check_names(explained, given, member)
    count = len(first) if (first := next(iter(given.values()))).ndim else 0
    problems = [
        Problem(pointer(member, name), f"must hold {count or 'some'} arrays of shape {list(shape)}, at most {most}")
        for name, shape in explained.shapes.items()
        if not 0 < count <= most or given[name].shape != (count, *shape)
    ]
    if problems:
        raise Invalid(problems)


def check_names(explained: Explained, given: Mapping[str, Array], member: str) -> None:
    names = list(explained.shapes)
    wrong = [Problem(pointer(member, name), "is missing") for name in names if name not in given]
    wrong += [
        Problem(pointer(member, name), "is nothing the output is explained by", allowed=names[:20])
        for name in given
        if name not in names
    ]
    if wrong:
        raise Invalid(wrong)


def _training_values(
    explained: Explained, history: History, most: int, generator: np.random.Generator | None = None
) -> dict[str, Array]:
    """Values of training rows at the places: in equal distances, or drawn without repetition."""
    training, graph = history.experiment.training, explained.posed.graph
    fitting = MOST_VALUES // max(1, sum(size_of(node.shape) for node in graph.nodes))
    count = max(1, min(most, training.rows, fitting))
    if generator is None:
        rows = np.linspace(0, training.rows - 1, count).astype(np.intp)
    else:
        rows = generator.choice(training.rows, count, replace=False)
    inputs = training.take(rows).typed(graph, np.float64).inputs
    return point_of(without_loss(explained.posed, inputs), explained.at)
