"""What was noticed in an epoch as a few bytes, and back: safetensors of float32, in the order of the graph."""

import math
from collections.abc import Sequence

import numpy as np

from core.arrays import Array
from core.graph.graph import Graph
from core.training.statistics import QUANTILES, EpochStatistics, NodeProbe, Probe, StepStatistics
from core.weights import read_tensors, write_tensors

NORMS = ("gradient_norms", "weight_norms", "update_norms", "slope_rms")
SHARES = ("slope_rms", "dead", "saturated", "identical")
"""What a node may not have: NaN in the bytes."""


def statistics_to_bytes(statistics: EpochStatistics) -> bytes:
    """Numbers keep the 7 digits of float32; those of steps and epochs, rates and losses keep all."""
    steps, probe = statistics.steps, statistics.probe
    # Norms of float64 may be larger than any number of float32; then they are infinite.
    with np.errstate(over="ignore", under="ignore"):
        tensors: dict[str, Array] = {
            "epoch": np.array([statistics.epoch], np.int64),
            "step": np.array([step.step for step in steps], np.int64),
            "learning_rate": np.array([step.learning_rate for step in steps], np.float64),
            **{name: np.array([getattr(step, name) for step in steps], np.float32) for name in NORMS},
        }
        if probe is not None:
            tensors |= {
                "loss": np.array([probe.loss], np.float64),
                "nodes": np.array([_numbers(node) for node in probe.nodes], np.float32),
                "non_finite": np.array([node.non_finite for node in probe.nodes], np.int64),
            }
    return write_tensors(tensors)


def statistics_from_bytes(graph: Graph, content: bytes) -> EpochStatistics:
    """What `statistics_to_bytes` was given. Raises Invalid for bytes of another kind."""
    tensors = read_tensors(content)
    numbers = zip(*(tensors[name].tolist() for name in ("step", "learning_rate", *NORMS)), strict=True)
    steps = [StepStatistics(*of_step) for of_step in numbers]
    epoch = int(tensors["epoch"][0])
    if "nodes" not in tensors:
        return EpochStatistics(epoch, steps, None)
    rows = zip(graph.nodes, tensors["nodes"].tolist(), tensors["non_finite"].tolist(), strict=True)
    nodes = [_probe(node.id, node.op.op, numbers, non_finite) for node, numbers, non_finite in rows]
    return EpochStatistics(epoch, steps, Probe(epoch, float(tensors["loss"][0]), nodes))


def _numbers(node: NodeProbe) -> Sequence[float]:
    shares = [getattr(node, name) for name in SHARES]
    return [node.mean, node.std, *node.quantiles, *(math.nan if share is None else share for share in shares)]


def _probe(name: str, op: str, numbers: Sequence[float], non_finite: int) -> NodeProbe:
    (mean, std), quantiles = numbers[:2], numbers[2 : 2 + len(QUANTILES)]
    shares = (None if math.isnan(share) else share for share in numbers[2 + len(QUANTILES) :])
    slope_rms, dead, saturated, identical = shares
    return NodeProbe(name, op, mean, std, quantiles, slope_rms, dead, saturated, identical, non_finite)
