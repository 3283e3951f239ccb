"""The graph of an experiment: the network with the widths of its data, the job's loss and the job's penalties."""

from collections.abc import Iterable

import numpy as np

from core.arrays import Array
from core.class_targets import ClassTargets
from core.data.preparation import Preparation
from core.data.table import Table
from core.errors import Invalid, Problem
from core.experiment.spec import ExperimentSpec
from core.graph.build import Surroundings, build
from core.graph.graph import Graph
from core.loss import Loss
from core.network import ONLY_INPUT, ONLY_TARGET, InputSpec


def assemble_graph(
    spec: ExperimentSpec, preparation: Preparation, table: Table, training: Array, *, max_parameters: int
) -> Graph:
    """The graph a description with its defaults written out stands for.

    Raises Invalid; pointers count from the description.
    """
    network = spec.network
    assert network is not None
    own = list(network.losses or ())
    stated = own or ([spec.loss] if spec.loss is not None else [])
    losses = [_weighted(loss, preparation, table, training) for loss in stated]
    network = network.model_copy(
        update={"penalties": [*network.penalties, *spec.penalties], "losses": losses if own else None}
    )
    target = (losses[0].target if losses else None) or ONLY_TARGET
    around = Surroundings(
        inputs={_input_name(spec): InputSpec(shape=[len(preparation.feature_names)])},
        widths={target: preparation.target.width},
        losses=() if own else tuple(losses),
        max_parameters=max_parameters,
    )
    try:
        graph = build(network, around)
    except Invalid as error:
        raise Invalid(_from_the_job(error.problems, spec)) from error
    problems = [*_misfits(graph, preparation, spec)]
    if problems:
        raise Invalid(problems)
    return graph


def _input_name(spec: ExperimentSpec) -> str:
    """The network's only input, whatever its name."""
    assert spec.network is not None
    if not spec.network.inputs:
        return _named_by_nodes(spec)
    return next(iter(spec.network.inputs))


def _named_by_nodes(spec: ExperimentSpec) -> str:
    """The one name that nodes refer to and no node has; `x` where that does not decide it."""
    assert spec.network is not None
    nodes = spec.network.nodes or ()
    known = {node.id for node in nodes}
    unknown = list(dict.fromkeys(name for node in nodes for name in node.inputs or () if name not in known))
    return unknown[0] if len(unknown) == 1 else ONLY_INPUT


def _weighted(loss: Loss, preparation: Preparation, table: Table, training: Array) -> Loss:
    """The loss with balanced class weights as numbers: n / (k · n_class), the mean weight of an example being 1."""
    if not isinstance(loss, ClassTargets) or loss.class_weight != "balanced":
        return loss
    classes = preparation.targets(table.take(training)).astype(np.intp)
    counts = np.bincount(classes.reshape(-1), minlength=preparation.target.width)
    weights = len(classes) / (preparation.target.width * np.maximum(counts, 1))
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


def _misfits(graph: Graph, preparation: Preparation, spec: ExperimentSpec) -> Iterable[Problem]:
    """Outputs that are not as many as the target wants, and targets that nothing feeds."""
    names = ", ".join(repr(name) for name in preparation.target.columns)
    if len(graph.targets) != 1:
        yield Problem("/network/losses", f"{names} is one target, the losses name {list(graph.targets)}")
        return
    width = preparation.target.width
    for loss in graph.losses:
        assert loss.input is not None
        outputs, needed = graph.shape_of(loss.input), loss.output_width(width)
        if outputs != (needed,):
            kind = "classes" if preparation.target.encoding == "class" else "columns"
            message = f"{loss.input!r} gives {list(outputs)} outputs, but {names} has {width} {kind}: give it {needed}"
            yield Problem("/network", message, allowed=[needed], got=list(outputs))
