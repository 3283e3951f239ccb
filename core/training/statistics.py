"""What a run notices of its layers while it trains: a few norms in some steps, and a closer look in some epochs.

Steps 0 to 9 and then every 20th are looked at, by their number in the run, so that nothing ever depends on time. A
probe computes fixed rows forward and backward, in evaluation mode, at epoch 0 (before training), 1, 2, 3, 5, 7, 10, 14,
19 … (after epoch e that is ⌈7e/20⌉ later) and the last, whether that is the last there may be or the one after which
early stopping ends the run. Neither draws a random number nor writes to anything the run reads: the bits it learns are
the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

PROBE_ROWS = 256
"""Of the training split, spread evenly over it."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

MOST_RANKED = 4096
"""Entries of a value that are put in order for its quantiles."""

FLAT = 0.06
"""Share of its steepest slope below which an activation that saturates hardly passes a gradient on."""


def is_noted(step: int) -> bool:
    """Whether a step, counted over the whole run from 0, is one of those that are looked at."""
    return step < 10 or step % 20 == 0


def is_probed(epoch: int) -> bool:
    """Whether an epoch is one of 0, 1, 2, 3, 5, 7, 10, 14, 19, 26, …"""
    due = min(epoch, 1)
    while due < epoch:
        due += -(-7 * due // 20)
    return due == epoch


@dataclass(frozen=True)
class StepStatistics:
    """One update. Tensors stand in the order of `graph.layout`, layers in that of `layers_of`."""

    step: int
    """Counted over the whole run from 0."""

    learning_rate: float
    gradient_norms: Sequence[float]
    """L2 of d objective / d tensor, before clipping."""

    weight_norms: Sequence[float]
    """L2 of each tensor before the update."""

    update_norms: Sequence[float]
    """L2 of what the update has changed in it."""

    slope_rms: Sequence[float]
    """rms(dL/dz) of each layer, z its value (the pre-activation) and L the mean loss of the batch.

    Of an update that adds several batches up, the last of them.
    """


@dataclass(frozen=True)
class NodeProbe:
    """One node over the rows of a probe; entries that are not finite are counted and otherwise left out."""

    node: str
    op: str
    mean: float
    std: float
    quantiles: Sequence[float]
    """Of its value, at QUANTILES; of very many entries, of at most MOST_RANKED that lie evenly spread among them."""

    slope_rms: float | None
    """rms(dL/d value) with L the mean loss of the probe; None where there is no loss."""

    dead: float | None
    """Of an op that dies (`core.op.Op.dies`: relu, but not what has a slope below 0), the share of its units whose
    value is above 0 for no row; a channel is one unit. Else None."""

    saturated: float | None
    """Of an op that saturates (`core.op.Op.steepest`), the share of its entries with a slope below FLAT times the
    steepest; else None."""

    identical: float | None
    """Of a layer of at least two units, the share of pairs of them whose values are the same for every row. A layer
    that starts at zero has 1."""

    non_finite: int


@dataclass(frozen=True)
class Probe:
    """Fixed rows of the training split at the end of an epoch; 0 is before training."""

    epoch: int
    loss: float
    """The data term over these rows, in evaluation mode."""

    nodes: Sequence[NodeProbe]
    """Every node, in the order of the graph."""


@dataclass(frozen=True)
class EpochStatistics:
    """What was noticed in one epoch; epoch 0 has only its probe."""

    epoch: int
    steps: Sequence[StepStatistics]
    probe: Probe | None
