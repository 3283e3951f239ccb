"""What runs notice of their layers: recorded, told and read."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import Invalid, Problem
from core.graph.build import build
from core.graph.graph import Graph
from core.graph.layers import layers_of
from core.network import Network
from core.training.packed import statistics_from_bytes, statistics_to_bytes
from core.training.statistics import QUANTILES, EpochStatistics, NodeProbe, Probe, StepStatistics
from service.epochs.use_cases import finite
from service.jobs.tables import JobPlanRow, JobRow
from service.kit.http.strict_json import Json
from service.layers.schemas import Column, LayerColumns, Layers, NodeColumns, ProbeColumns, TensorColumns
from service.layers.tables import LayersRow

MOST_TOLD = 100
"""Layers, and other nodes, that one event tells of."""

MOST_NUMBERS = 2_000_000
"""Of one answer."""


def record(session: Session, job: JobRow, statistics: EpochStatistics) -> None:
    """Store what was noticed in an epoch of a job, whose row the caller holds."""
    session.add(LayersRow(job_id=job.id, epoch=statistics.epoch, content=statistics_to_bytes(statistics)))


def told(graph: Graph, statistics: EpochStatistics) -> dict[str, Json] | None:
    """What an event says of a probed epoch; None of an epoch without a probe.

    Of very deep networks it tells of the first and the last layers, and of how many were left out.
    """
    probe = statistics.probe
    if probe is None:
        return None
    ratios = _ratios_of_layers(graph, statistics.steps[-1]) if statistics.steps else {}
    looks = {look.node: look for look in probe.nodes}
    layers: dict[str, Json] = {
        node.id: {"slope_rms": _finite(looks[node.id].slope_rms), "update_to_weight": ratios.get(node.id)}
        for node in layers_of(graph)
    }
    dead: dict[str, Json] = {look.node: look.dead for look in probe.nodes if look.dead is not None}
    saturated: dict[str, Json] = {look.node: look.saturated for look in probe.nodes if look.saturated is not None}
    parts = {"layers": layers, "dead": dead, "saturated": saturated}
    return {
        "epoch": probe.epoch,
        "loss": finite(probe.loss),
        **{name: _ends(part) for name, part in parts.items()},
        "left_out": sum(max(len(part) - MOST_TOLD, 0) for part in parts.values()),
    }


def statistics_of(
    session: Session, job: JobRow, graph: Graph, *, first: int = 0, last: int | None = None
) -> Sequence[EpochStatistics]:
    """What was noticed in the epochs of a job from `first` to `last`."""
    query = select(LayersRow.content).where(LayersRow.job_id == job.id, LayersRow.epoch >= first)
    if last is not None:
        query = query.where(LayersRow.epoch <= last)
    return [statistics_from_bytes(graph, content) for content in session.scalars(query.order_by(LayersRow.epoch))]


def graph_of(session: Session, job: JobRow) -> Graph:
    """The network of a job."""
    plan = session.get_one(JobPlanRow, job.id)
    return build(Network.model_validate_json(json.dumps(plan.network)))


def layers(session: Session, job: JobRow, *, first: int, last: int | None, node: str | None) -> Layers:
    """The statistics of these epochs as columns, of one node if it is named. Raises Invalid."""
    graph = graph_of(session, job)
    if node is not None and node not in graph.node:
        raise Invalid([Problem("node", "the network has no such node", allowed=list(graph.node)[:20], got=node)])
    found = statistics_of(session, job, graph, first=first, last=last)
    probes = [one.probe for one in found if one.probe is not None]
    # Epoch 0 is before training: it has a probe alone.
    trained = [one for one in found if one.epoch > 0]
    _check_size(graph, len(trained), len(probes), node)
    steps = [one.steps[-1] if one.steps else None for one in trained]
    return Layers(
        epoch=[one.epoch for one in trained],
        step=[None if step is None else step.step for step in steps],
        tensors={
            f"{piece.node}.{piece.name}": _tensor(steps, index)
            for index, piece in enumerate(graph.layout)
            if node is None or piece.node == node
        },
        layers={
            layer.id: LayerColumns(slope_rms=_column(steps, lambda step, index=index: step.slope_rms[index]))  # type: ignore[misc]  # mypy does not infer the default
            for index, layer in enumerate(layers_of(graph))
            if node is None or layer.id == node
        },
        probes=_probes(probes, [one.id for one in graph.nodes], node),
    )


def _check_size(graph: Graph, epochs: int, probes: int, node: str | None) -> None:
    if node is not None:
        return
    numbers = epochs * (4 * len(graph.layout) + len(layers_of(graph))) + probes * 12 * len(graph.nodes)
    if numbers > MOST_NUMBERS:
        detail = f"these epochs have {numbers:,} numbers for all nodes; ask for fewer epochs or for one node"
        raise Invalid([Problem("to", detail)])


def _tensor(steps: Sequence[StepStatistics | None], index: int) -> TensorColumns:
    return TensorColumns(
        gradient_norm=_column(steps, lambda step: step.gradient_norms[index]),
        weight_norm=_column(steps, lambda step: step.weight_norms[index]),
        update_norm=_column(steps, lambda step: step.update_norms[index]),
        update_to_weight=_column(steps, lambda step: ratio(step.update_norms[index], step.weight_norms[index])),
    )


def _probes(probes: Sequence[Probe], nodes: Sequence[str], node: str | None) -> ProbeColumns:
    return ProbeColumns(
        epoch=[probe.epoch for probe in probes],
        loss=[finite(probe.loss) for probe in probes],
        nodes={
            name: _node([probe.nodes[index] for probe in probes])
            for index, name in enumerate(nodes)
            if probes and (node is None or name == node)
        },
    )


def _node(looks: Sequence[NodeProbe]) -> NodeColumns:
    return NodeColumns(
        op=looks[0].op,
        mean=[_finite(look.mean) for look in looks],
        std=[_finite(look.std) for look in looks],
        quantiles={
            f"{share:g}": [_finite(look.quantiles[index]) for look in looks] for index, share in enumerate(QUANTILES)
        },
        slope_rms=[_finite(look.slope_rms) for look in looks],
        dead=[look.dead for look in looks],
        saturated=[look.saturated for look in looks],
        identical=[look.identical for look in looks],
        non_finite=[look.non_finite for look in looks],
    )


def as_lines(layers: Layers) -> Iterator[Sequence[object]]:
    """The header and one line for each epoch, 0 too if it was probed; empty where an epoch has no such number.

    Columns are named as in JSON: `tensors.dense_1.W.weight_norm`, `probes.dense_1.quantiles.0.5`.
    """
    trained = {epoch: index for index, epoch in enumerate(layers.epoch)}
    probed = {epoch: index for index, epoch in enumerate(layers.probes.epoch)}
    by_step = {"step": layers.step, **dict(_step_columns(layers))}
    by_probe = dict(_probe_columns(layers.probes))
    yield ("epoch", *by_step, *by_probe)
    for epoch in sorted(trained.keys() | probed.keys()):
        rows = (trained.get(epoch), by_step), (probed.get(epoch), by_probe)
        yield (epoch, *(None if row is None else column[row] for row, columns in rows for column in columns.values()))


def _step_columns(layers: Layers) -> Iterator[tuple[str, Sequence[float | None]]]:
    for tensor, columns in layers.tensors.items():
        for name in TensorColumns.model_fields:
            yield f"tensors.{tensor}.{name}", getattr(columns, name)
    for layer, of_layer in layers.layers.items():
        yield f"layers.{layer}.slope_rms", of_layer.slope_rms


def _probe_columns(probes: ProbeColumns) -> Iterator[tuple[str, Sequence[float | None]]]:
    yield "probes.loss", probes.loss
    for node, columns in probes.nodes.items():
        for name in ("mean", "std"):
            yield f"probes.{node}.{name}", getattr(columns, name)
        for share, quantile in columns.quantiles.items():
            yield f"probes.{node}.quantiles.{share}", quantile
        for name in ("slope_rms", "dead", "saturated", "identical", "non_finite"):
            yield f"probes.{node}.{name}", getattr(columns, name)


def ratio(update: float, weight: float) -> float | None:
    """|update| / |weight|; None of a tensor of zeros, or where a norm is not finite."""
    return finite(update / weight) if weight > 0 else None


def _ratios_of_layers(graph: Graph, step: StepStatistics) -> dict[str, float | None]:
    """The same of all weights of each layer together; biases and gains are left out."""
    squares: dict[str, tuple[float, float]] = {}
    for piece, update, weight in zip(graph.layout, step.update_norms, step.weight_norms, strict=True):
        if graph.node[piece.node].parameters[piece.name].is_drawn:
            before = squares.get(piece.node, (0.0, 0.0))
            squares[piece.node] = math.hypot(before[0], update), math.hypot(before[1], weight)
    return {node.id: ratio(*squares[node.owner]) for node in layers_of(graph)}


def _column(steps: Iterable[StepStatistics | None], number: Callable[[StepStatistics], float | None]) -> Column:
    return [None if step is None else _finite(number(step)) for step in steps]


def _finite(value: float | None) -> float | None:
    return None if value is None else finite(value)


def _ends(part: dict[str, Json]) -> dict[str, Json]:
    if len(part) <= MOST_TOLD:
        return part
    entries = list(part.items())
    return dict([*entries[: MOST_TOLD // 2], *entries[-MOST_TOLD // 2 :]])
