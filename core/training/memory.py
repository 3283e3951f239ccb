"""What a run will take of memory, told before it begins: examples, vectors as long as the parameters, and buffers."""

from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Model, size_of, type_of_precision
from core.graph.evaluator import rows_at_a_time
from core.graph.footprint import size_bytes
from core.graph.graph import Graph
from core.graph.plan import Plan
from core.graph.sites import Wanted
from core.optimizer import Optimizer
from core.training.epoch_loss import EpochLoss, rows_of_piece
from core.training.examples import Examples
from core.training.feed import widened_bytes
from core.training.probe import PIECE, WANTED, probe_rows

_PROBES = (8, 16)
"""Batch sizes of two plans that are made to see what one more example costs: all buffers grow in a straight line."""


class RunMemory(Model):
    """Bytes of a run, beside what an idle worker has."""

    examples: int = Field(description="Inputs, targets and kept outputs of all rows.")
    parameters: int = Field(
        description="Parameters, their gradient, the best ones so far, those before an update that is looked at, and "
        "the optimizer's memory."
    )
    buffers: int = Field(
        description="Values, gradients and work arrays of a batch, of the rows evaluated at once, and of a probe."
    )
    total: int


def memory_of(
    graph: Graph,
    optimizer: Optimizer,
    *,
    rows: int,
    validation_rows: int = 0,
    batch_size: int | Literal["full"] = 32,
    dtype: Literal["float32", "float64"] = "float32",
    statistics: bool = True,
) -> RunMemory:
    """The memory of training this graph. Nothing as large as the network's vectors is written to find it out."""
    size = rows if batch_size == "full" else min(batch_size, rows)
    precision = type_of_precision[dtype]
    wanted = Wanted(losses=not all(loss.adds_up for loss in graph.losses), training=True)
    examples = (rows + validation_rows) * _example_bytes(graph, precision.itemsize)
    examples += widened_bytes(graph, rows, precision.itemsize) + _epoch_bytes(graph, rows, size, precision)
    vectors = 2 * graph.size + (1 + len(optimizer.slots())) * graph.parameter_count
    buffers = [_buffer_bytes(graph, size, precision, wanted)]
    if rows % size:
        buffers.append(_buffer_bytes(graph, rows % size, precision, wanted))
    if validation_rows:
        examples += validation_rows * size_of(graph.shape_of(graph.output)) * precision.itemsize
        most = rows_at_a_time(graph, validation_rows)
        sizes = {most, rows_at_a_time(graph, validation_rows % most or most)}
        evaluation = Wanted(losses=False, gradients=False)
        buffers += [_buffer_bytes(graph, rows, precision, evaluation) for rows in sizes]
    if statistics:
        vectors += graph.parameter_count
        buffers += [_buffer_bytes(graph, probe_rows(graph, rows), precision, WANTED), 4 * PIECE * precision.itemsize]
    parts = {"examples": examples, "parameters": vectors * precision.itemsize, "buffers": sum(buffers)}
    return RunMemory(**parts, total=sum(parts.values()))


def _epoch_bytes(graph: Graph, rows: int, size: int, precision: "np.dtype[np.floating]") -> int:
    """The order of the rows, the outputs an epoch keeps, what judges them, and the calls of its steps."""
    kept = (
        sum(size_of(graph.shape_of(name)) for name in graph.outcomes) * rows * precision.itemsize if size < rows else 0
    )
    targets = sum(size_of(target.shape) for target in graph.targets.values()) * rows * precision.itemsize
    return 2 * 8 * rows + kept + targets + _judging_bytes(graph, rows, precision) + _STEP_BYTES * (-(-rows // size))


def _judging_bytes(graph: Graph, rows: int, precision: "np.dtype[np.floating]") -> int:
    """Work arrays that outputs are judged in: as many as one whole piece and one rest of a piece take."""
    piece = min(rows_of_piece(graph.shape_of(name)) for name in graph.outcomes)
    rows = min(rows, 2 * piece + rows % piece)
    kept = {name: np.zeros((*graph.shape_of(name), rows), precision) for name in graph.outcomes}
    targets = {
        name: np.zeros((rows, *target.shape), np.intp if target.type == "class" else precision)
        for name, target in graph.targets.items()
    }
    weights = {index: np.zeros(rows, precision) for index, loss in enumerate(graph.losses) if loss.sample_weight}
    order = np.arange(rows)
    judged = EpochLoss(graph, kept, Examples({}, targets, weights), order, is_still=False)
    return size_bytes(judged.calls, [order, *kept.values(), *targets.values(), *weights.values()])


_STEP_BYTES = 1500
"""Of the calls that are bound for one step of an epoch."""


def _example_bytes(graph: Graph, item: int) -> int:
    inputs = sum(size_of(spec.axes) * (8 if spec.dtype == "int" else item) for spec in graph.inputs.values())
    targets = sum(size_of(target.shape) * (8 if target.type == "class" else item) for target in graph.targets.values())
    return inputs + targets


def _buffer_bytes(graph: Graph, rows: int, precision: "np.dtype[np.floating]", wanted: Wanted) -> int:
    """What a plan of so many rows is bound to beside the vectors, from two small plans."""
    parameters = np.zeros(graph.size, precision)
    gradient = np.zeros(graph.parameter_count, precision) if wanted.gradients else None
    known = [parameters] if gradient is None else [parameters, gradient]
    sizes = []
    for probe in _PROBES:
        plan = Plan(graph, probe, parameters, wanted=wanted, gradient=gradient)
        sizes.append(size_bytes((*plan.prepare_calls, *plan.calls), known))
    each = (sizes[1] - sizes[0]) // (_PROBES[1] - _PROBES[0])
    return max(sizes[0] + each * (rows - _PROBES[0]), 0)
