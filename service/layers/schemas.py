"""What the layers route answers."""

from pydantic import Field

from service.kit.http.schemas import StrictModel

Column = list[float | None]


class TensorColumns(StrictModel):
    """A parameter tensor in the last update of each epoch that was looked at; null in epochs without one."""

    gradient_norm: Column = Field(description="L2 of d objective / d tensor, before clipping.")
    weight_norm: Column = Field(description="L2 before the update.")
    update_norm: Column = Field(description="L2 of what the update has changed.")
    update_to_weight: Column = Field(description="Update over weight; null for a tensor of zeros.")


class LayerColumns(StrictModel):
    """A node with weights in the same updates."""

    slope_rms: Column = Field(description="rms(dL/dz), z its value and L the mean loss of the (last) batch.")


class NodeColumns(StrictModel):
    """A node on the rows of each probe; entries that are not finite are counted and otherwise left out."""

    op: str
    mean: Column
    std: Column
    quantiles: dict[str, Column] = Field(description="By the share of entries below: `0.05` to `0.95`.")
    slope_rms: Column = Field(description="rms(dL/d value) with L the mean loss of the probe.")
    dead: Column = Field(
        description="Share of units above 0 for no row, of an op that passes nothing on there; else null."
    )
    saturated: Column = Field(
        description="Share of entries with a slope below 6 % of the steepest, of an op that saturates at both ends; "
        "else null."
    )
    identical: Column = Field(
        description="Share of pairs of units with the same values for every row, of a layer; else null."
    )
    non_finite: list[int]


class ProbeColumns(StrictModel):
    """Up to 256 fixed rows of the training split at the end of some epochs, in evaluation mode."""

    epoch: list[int] = Field(description="0 (before training), 1, 2, 3, 5, 7, 10, 14, 19, … and the last.")
    loss: Column = Field(description="The data term over these rows.")
    nodes: dict[str, NodeColumns]


class Layers(StrictModel):
    """What a run has noticed of its layers, as columns; numbers have the 7 digits of float32."""

    epoch: list[int] = Field(description="Of the columns of tensors and layers.")
    step: list[int | None] = Field(
        description="The update that they tell of, counted over the whole run from 0: the last of the epoch that was "
        "looked at. Those from 0 to 9 are, and then every 20th; null for an epoch without one."
    )
    tensors: dict[str, TensorColumns] = Field(description="By node and parameter: `dense_1.W`.")
    layers: dict[str, LayerColumns]
    probes: ProbeColumns
