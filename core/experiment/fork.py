"""A run that goes on from a checkpoint of another one, though it is told something else.

What a checkpoint remembers is only worth keeping where it still means the same: Adam's moments mean nothing to
momentum, and the best loss on some rows is not to be beaten on others. All of it is decided here, with its reasons.
"""

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from core.arrays import type_of_precision
from core.data.preparation import Preparation
from core.errors import Invalid, Problem
from core.experiment.resolve import Experiment
from core.experiment.spec import ExperimentSpec
from core.graph.graph import Graph
from core.optimizer import Optimizer
from core.schedule import Watched
from core.training.checkpoint import Checkpoint, memory_from_bytes, memory_to_bytes
from core.training.stopping import StoppingState
from core.training.updater import memory_of
from core.weights import weights_from_bytes, weights_to_bytes

_MEASURED = {"dataset", "target", "features", "preparation", "split", "network", "loss", "dtype"}
"""What decides of which function, on which rows, the measures of an epoch are."""

_ROWS = {"dataset", "target", "split"}
_ORDER = {"seed", "shuffle", "batch_size", "batches_per_update", *_ROWS}
_MOST_TENSORS = 20


@dataclass(frozen=True)
class Origin:
    """The run that is left: what it was told, and its state where it is left."""

    spec: ExperimentSpec
    graph: Graph
    preparation: Preparation
    checkpoint: Checkpoint
    has_best_weights: bool
    """Whether the weights of the best epoch up to there are at hand."""


@dataclass(frozen=True)
class Part:
    """A part of the state of a run, and why it stays or begins anew."""

    what: str
    reason: str
    is_kept: bool


@dataclass(frozen=True)
class Fork:
    """The state in which the new run begins."""

    checkpoint: Checkpoint
    best_epoch: int | None
    """Counted from 1; None when the best value so far is forgotten."""

    parts: tuple[Part, ...]


def fork(origin: Origin, experiment: Experiment, changed: Collection[str]) -> Fork:
    """Decide what an experiment takes over that differs from its origin in these members of its description.

    Raises Invalid when the network has other tensors, or when nothing would be left to train.
    """
    _check(origin, experiment)
    slots, progress = memory_from_bytes(origin.checkpoint.memory)
    stopping = StoppingState(**progress["stopping"])
    parts = {part.what: part for part in _parts(origin, experiment, changed, stopping)}
    kept = {name for name, part in parts.items() if part.is_kept}
    if "early_stopping" not in kept:
        stopping = StoppingState()
    if stopping.verdict is not None:
        detail = "the run had already stopped early here; give it another early_stopping, or null for none"
        raise Invalid([Problem("/early_stopping", detail)])
    precision = type_of_precision[experiment.spec.dtype]
    memory, weights = origin.checkpoint.memory, origin.checkpoint.weights
    if not {"optimizer", "early_stopping", "schedule"} <= kept:
        if "optimizer" not in kept:
            assert experiment.spec.optimizer is not None
            slots = memory_of(experiment.spec.optimizer, np.zeros(experiment.graph.parameter_count, precision))
        progress |= {"stopping": asdict(stopping)}
        progress |= {} if "schedule" in kept else {"schedule": Watched().model_dump()}
        memory = memory_to_bytes(slots, progress)
    if experiment.spec.dtype != origin.spec.dtype:
        weights = weights_to_bytes(experiment.graph, weights_from_bytes(experiment.graph, weights, precision))
    step = origin.checkpoint.step if "optimizer" in kept else 0
    best = None if stopping.best_epoch is None else stopping.best_epoch + 1
    return Fork(Checkpoint(origin.checkpoint.epoch, step, weights, memory), best, tuple(parts.values()))


def _check(origin: Origin, experiment: Experiment) -> None:
    problems = list(_strange_tensors(origin.graph, experiment.graph))
    epochs = experiment.spec.epochs
    if epochs is not None and epochs <= origin.checkpoint.epoch:
        detail = f"the checkpoint is after epoch {origin.checkpoint.epoch}, and epochs count from the very start"
        problems.append(Problem("/epochs", f"{detail}: ask for more", got=epochs))
    if problems:
        raise Invalid(problems)


def _strange_tensors(before: Graph, after: Graph) -> Iterator[Problem]:
    """The tensors that the new network has and the old has not, or in another shape, and the other way round."""
    old, new = (
        {f"{piece.node}.{piece.name}": piece.shape for piece in (*graph.layout, *graph.state_layout)}
        for graph in (before, after)
    )
    details = [f"{name} is new: weights are taken only by a network with the same tensors" for name in new.keys() - old]
    details += [f"{name} is missing, and the checkpoint has it" for name in old.keys() - new]
    details += [
        f"{name} must have shape {list(old[name])} as in the checkpoint, not {list(new[name])}"
        for name in old.keys() & new
        if old[name] != new[name]
    ]
    return (Problem("/network", detail) for detail in sorted(details)[:_MOST_TENSORS])


def _parts(origin: Origin, experiment: Experiment, changed: Collection[str], stopping: StoppingState) -> Iterator[Part]:
    names = set(changed)
    epoch = origin.checkpoint.epoch
    yield Part("weights", f"Every tensor is as it was after epoch {epoch}.", True)
    yield _optimizer(origin, experiment)
    yield _schedule(epoch, names)
    yield _early_stopping(origin, names, stopping)
    yield _part(
        "randomness",
        names & _ORDER,
        "The order of rows and what dropout drops go on as they would have.",
        "Rows come in another order and dropout drops others than they would have",
    )
    yield _part(
        "split",
        names & _ROWS,
        "The same rows are learned from and validated on.",
        "Rows that are validated on from here on may have been learned from before",
    )
    same = origin.preparation == experiment.preparation
    yield Part(
        "preparation",
        "Rows become numbers as before."
        if same
        else "Rows become other numbers than those that the weights were learned from, since it is fitted anew.",
        same,
    )


def _part(what: str, because: Collection[str], kept: str, reset: str) -> Part:
    if not because:
        return Part(what, kept, True)
    return Part(what, f"{reset}: {' and '.join(sorted(because))} changed.", False)


def _optimizer(origin: Origin, experiment: Experiment) -> Part:
    before, after = origin.spec.optimizer, experiment.spec.optimizer
    assert before is not None and after is not None
    why = _why_forgotten(before, after)
    if why is None and origin.spec.dtype != experiment.spec.dtype:
        why = f"its memory is of {origin.spec.dtype}"
    if why is None and origin.graph.layout != experiment.graph.layout:
        why = "its memory has the tensors in another order"
    if why is None:
        return Part("optimizer", f"Its memory goes on after update {origin.checkpoint.step}.", True)
    return Part("optimizer", f"It remembers nothing and counts updates from 0, since {why}.", False)


def _why_forgotten(before: Optimizer, after: Optimizer) -> str | None:
    if before.kind != after.kind:
        return f"{after.kind} has no use for what {before.kind} remembers"
    if (before.slots().keys(), list(before.counters())) != (after.slots().keys(), list(after.counters())):
        return f"{after.kind} remembers other vectors with these hyper-parameters"
    return None


def _schedule(epoch: int, changed: Collection[str]) -> Part:
    if "schedule" in changed:
        reason = f"Another one decides from epoch {epoch + 1} on, counted from the very start; it has watched nothing."
        return Part("schedule", reason, False)
    kept = f"Epoch {epoch + 1} is next, counted from the very start."
    return _part("schedule", _MEASURED & set(changed), kept, "What it has watched is forgotten")


def _early_stopping(origin: Origin, changed: Collection[str], stopping: StoppingState) -> Part:
    best = None if stopping.best_epoch is None else stopping.best_epoch + 1
    because = set(changed) & {"early_stopping", *_MEASURED}
    if not because and changed and best is not None and not origin.has_best_weights:
        # Unchanged, the run comes to a better epoch again: the best of all is always kept.
        reason = f"The best value so far is forgotten, since the weights of epoch {best} are no longer kept."
        return Part("early_stopping", reason, False)
    kept = (
        "No epoch is best yet." if best is None else f"Epoch {best} is the one to beat; {stopping.wait} waited since."
    )
    return _part("early_stopping", because, kept, "The best value so far is forgotten, and waiting begins anew")
