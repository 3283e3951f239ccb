"""The graph of an experiment: the network with the widths of its data, the job's loss and the job's penalties."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from core.arrays import Shape, size_of
from core.class_targets import ClassTargets
from core.data.preparation import Preparation
from core.data.table import Table
from core.data.targets import Target
from core.errors import Invalid, Problem
from core.experiment.spec import ExperimentSpec
from core.graph.build import Surroundings, build
from core.graph.graph import Graph
from core.loss import Loss
from core.network import ONLY_TARGET, InputSpec, Network


def assemble_graph(
    spec: ExperimentSpec,
    preparation: Preparation,
    inputs: Mapping[str, InputSpec],
    training: Table,
    *,
    max_parameters: int,
) -> Graph:
    """The graph a description with its defaults written out stands for, with the inputs that its columns feed.

    Raises Invalid; pointers count from the description.
    """
    network = spec.network
    assert network is not None
    own = list(network.losses or ())
    stated = own or ([spec.loss] if spec.loss is not None else [])
    losses = [_weighted(loss, preparation, training) for loss in stated]
    network = network.model_copy(
        update={"penalties": [*network.penalties, *spec.penalties], "losses": losses if own else None}
    )
    around = Surroundings(
        inputs=inputs,
        widths={name: target.width for name, target in preparation.targets.items()},
        losses=() if own else tuple(losses),
        max_parameters=max_parameters,
    )
    graph = _built(network, around, spec)
    widths = {name: _width(graph, name, target) for name, target in preparation.targets.items()}
    if widths != around.widths:
        graph = _built(network, replace(around, widths=widths), spec)
    problems = [problem for loss in graph.losses for problem in _misfits(graph, loss, preparation)]
    if problems:
        raise Invalid(problems)
    return graph


def _built(network: Network, around: Surroundings, spec: ExperimentSpec) -> Graph:
    try:
        return build(network, around)
    except Invalid as error:
        raise Invalid(_from_the_job(error.problems, spec)) from error


def _width(graph: Graph, name: str, target: Target) -> int:
    """Outputs on the last axis that a target wants: a sequence of L numbers one at each of L steps, and not L.

    How many steps there are shows only in a graph, whatever its last width.
    """
    steps = size_of(graph.shape_of(str(graph.judge_of(name).input))[:-1])
    return target.width if target.encoding == "class" or target.width % steps else target.width // steps


def _weighted(loss: Loss, preparation: Preparation, training: Table) -> Loss:
    """The loss with balanced class weights as numbers: n / (k · n_class), the mean weight of an example being 1."""
    if not isinstance(loss, ClassTargets) or loss.class_weight != "balanced":
        return loss
    target = preparation.targets[loss.target or ONLY_TARGET]
    classes = target.apply(training).astype(np.intp)
    counts = np.bincount(classes.reshape(-1), minlength=target.width)
    weights = classes.size / (target.width * np.maximum(counts, 1))
    return loss.model_copy(update={"class_weight": weights.tolist()})


def _from_the_job(problems: Iterable[Problem], spec: ExperimentSpec) -> list[Problem]:
    """The network's mistakes as the job's: its own loss and penalties stand beside the network, not in it."""
    assert spec.network is not None
    count = len(spec.network.penalties)
    moved = []
    for problem in problems:
        _, first, *rest = [*problem.pointer.split("/"), "", ""][:4] if problem.pointer else ["", "", "", ""]
        if first == "loss":
            moved.append(problem)
        elif first == "penalties" and rest[0].isdigit() and int(rest[0]) >= count:
            tail = problem.pointer.removeprefix(f"/penalties/{rest[0]}")
            moved.append(
                Problem(f"/penalties/{int(rest[0]) - count}{tail}", problem.detail, problem.allowed, problem.got)
            )
        else:
            moved.append(problem.below("/network"))
    return moved


def _misfits(graph: Graph, loss: Loss, preparation: Preparation) -> Iterable[Problem]:
    """Outputs that are not as many as the target wants."""
    assert loss.input is not None and loss.target is not None
    target, wanted = preparation.targets[loss.target], graph.targets[loss.target].shape
    outputs, columns = graph.shape_of(loss.input), len(target.columns)
    names = target.columns[0] if columns == 1 else f"{target.columns[0]} … {target.columns[-1]}"
    if target.encoding == "class" and outputs[-1] != target.width:
        yield _misfit(loss, outputs, f"{names!r} has {target.width} classes: give it {target.width}", target.width)
    elif size_of(wanted) != columns and target.encoding == "class":
        detail = f"decides {size_of(wanted)} times between classes, but {names!r} has {columns} columns"
        yield Problem("/network", f"{loss.input!r} gives {list(outputs)} outputs, which {detail}", got=list(outputs))
    elif size_of(wanted) != columns:
        width = loss.output_width(_width(graph, loss.target, target))
        yield _misfit(loss, outputs, f"{names!r} has {columns} columns: give it {width}", width)


def _misfit(loss: Loss, outputs: Shape, what: str, width: int) -> Problem:
    detail = f"{loss.input!r} gives {list(outputs)} outputs, but {what}"
    return Problem("/network", detail, allowed=[width], got=list(outputs))
