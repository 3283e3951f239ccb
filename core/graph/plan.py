"""A network compiled for one batch size and type: every buffer made, every call bound, nothing decided later.

A step is `forward` and `backward`, two flat lists of calls that write into buffers made here, so the steady state
allocates nothing. Parameters are views of one flat vector and gradients of another, so an optimizer, a norm or a
checkpoint is one operation on one array. Buffers are overwritten by the next step: who keeps one copies it.
"""

from collections.abc import Mapping

import numpy as np

from core.arrays import Array, Call, batch_last
from core.graph.graph import Graph
from core.graph.randomness import Randomness
from core.graph.sites import Accumulator, Buffers, Place, Wanted, loss_site, node_site, with_places


class Plan:
    """The calls of one graph for one batch size, type and mode; several plans may share one flat vector."""

    def __init__(
        self,
        graph: Graph,
        rows: int,
        parameters: Array,
        *,
        wanted: Wanted | None = None,
        gradient: Array | None = None,
        randomness: Randomness | None = None,
    ) -> None:
        self.graph, self.parameters = graph, parameters
        self.wanted = wanted or Wanted()
        self.gradient = gradient
        if gradient is None and self.wanted.gradients:
            self.gradient = np.zeros(graph.parameter_count, parameters.dtype)
        self.buffers = Buffers(graph, rows, parameters.dtype, self.wanted)
        self.prepare_calls: tuple[Call, ...] = ()
        """What new targets need before a pass; nothing else depends on them alone."""

        self._forward, self._backward = self._compile(randomness or Randomness(graph, 0))
        self.output = self.buffers.values[graph.output]
        self.rows = rows
        self._terms = [(loss.weight, value) for loss, value in zip(graph.losses, self.buffers.losses, strict=True)]

    def forward(self) -> None:
        """Write every value and loss from the inputs, targets and parameters."""
        for call in (*self.prepare_calls, *self._forward):
            call()

    def backward(self) -> None:
        """Write every gradient; `forward` has run before."""
        for call in self._backward:
            call()

    @property
    def calls(self) -> tuple[Call, ...]:
        """Forward and backward in one list, to run behind `prepare_calls`."""
        return self._forward + self._backward

    def load(self, inputs: Mapping[str, Array], targets: Mapping[str, Array] | None = None) -> None:
        """Copy a batch into the buffers; its arrays have `rows` rows, the batch first, and the shapes of the graph."""
        for name, array in inputs.items():
            np.copyto(self.buffers.inputs[name], batch_last(array))
        for name, array in (targets or {}).items():
            np.copyto(self.buffers.targets[name], batch_last(array))

    def loss(self) -> float:
        """The data term: the weighted sum of the loss terms, without penalties."""
        total = 0.0
        for weight, value in self._terms:
            total += weight * float(value)
        return total

    def first_non_finite(self) -> str | None:
        """The first node in topological order whose value is not finite, after `forward`."""
        for node in self.graph.nodes:
            if not np.isfinite(self.buffers.values[node.id]).all():
                return node.id
        return None

    def _compile(self, randomness: Randomness) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
        graph, buffers, training = self.graph, self.buffers, self.wanted.training
        views, states = graph.views(self.parameters), graph.states(self.parameters)
        sites = {
            node.id: node_site(node, buffers, views, states, training=training, generator=randomness.of(node.id))
            for node in graph.nodes
        }
        loss_sites = [loss_site(index, loss, buffers) for index, loss in enumerate(graph.losses)]
        if self.wanted.losses or self.gradient is not None:
            pairs = zip(graph.losses, loss_sites, strict=True)
            self.prepare_calls = tuple(one for loss, site in pairs for one in loss.prepare(site))
        forward = [call for node in graph.nodes for call in node.op.forward(sites[node.id])]
        if self.wanted.losses:
            forward += [
                call for loss, site in zip(graph.losses, loss_sites, strict=True) for call in loss.forward(site)
            ]
        if self.gradient is None:
            return tuple(forward), ()
        gradients = Accumulator(_by_place(graph, buffers.gradients, self.gradient))
        for loss, at_loss in zip(graph.losses, loss_sites, strict=True):
            assert loss.input is not None
            at_loss.dy = gradients.place(loss.input)
            if at_loss.dy is not None:
                gradients.extend(loss.backward(at_loss))
        for node in reversed(graph.nodes):
            if gradients.reached(node.id):
                gradients.extend(node.op.backward(with_places(sites[node.id], node, gradients)))
        return tuple(forward), tuple(gradients.calls)


def _by_place(graph: Graph, values: Mapping[str, Array], flat: Array) -> dict[Place, Array]:
    """Where every gradient ends: that of a value in its buffer, that of a parameter in the flat vector."""
    places: dict[Place, Array] = {name: gradient for name, gradient in values.items()}  # noqa: C416  # widens the type of the keys
    for node, tensors in graph.views(flat).items():
        places |= {(node, name): view for name, view in tensors.items()}
    return places
