"""Does a signal get through the network before any training? Sizes by depth, for one start or several side by side."""

from collections.abc import Sequence
from itertools import product
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from core.arrays import Model
from core.errors import Invalid, Problem
from core.evidence import Evidence
from core.graph.build import build
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.initializer import Initializer
from core.initializers import AnyInitializer
from core.inspection.batch import BatchQuestion
from core.inspection.chance import chance
from core.inspection.effort import MOST_OPERATIONS
from core.inspection.outlook import Verdict, judge, median
from core.inspection.question import Library
from core.inspection.random_examples import random_examples
from core.inspection.start import Layer, Layers, Reading, read_layers
from core.inspection.subject import bind
from core.inspection.variants import ACTIVATIONS, with_activation, with_initializer
from core.losses.mse import Mse
from core.training.examples import Examples

USUAL_ROWS = 256
MOST_SEEDS = 10
MOST_COMPARED = 8

MOST_LAYERS = 20_000
"""Layers of all starts together that an answer tells of."""

_CALLING = 60_000
"""Operations that could be done in the time it takes to call a node."""

_DRAWING = 50
"""Operations that could be done in the time it takes to draw a parameter."""


class OverSeeds(Model):
    """One number for each seed, and their median."""

    median: float | None
    by_seed: list[float | None]
    """null where there is no such number, or it is not finite."""


class LayerStart(Model):
    """One node with weights before training; z is its value, and what leaves the layer comes of the nodes behind it.

    Means and variances are over all entries of all rows of the batch.
    """

    node: str
    op: str
    depth: int
    """Layers on the longest way from an input to here, this one included: 1 for the first."""

    output: str
    """The node whose value leaves the layer: the last before the next weights, or this one."""

    pre_activation_mean: OverSeeds
    pre_activation_variance: OverSeeds
    """Var(z): He et al. 2015 keep it the same in all layers of rectifiers, 2 for inputs of variance 1."""

    output_mean: OverSeeds
    output_variance: OverSeeds
    signal_rms: OverSeeds
    """rms(dL/dz), L being the loss of the batch; null where no loss depends on the layer."""

    saturated: OverSeeds | None
    """Share of the entries where the activation has less than 6 % of its steepest slope; null where none saturates."""

    dead: OverSeeds | None
    """Share of the units that are above 0 for no row; null where nothing rectifies. A channel is one unit."""

    non_finite: int
    """Entries that are no numbers, over all seeds."""


class Start(Model):
    """One way to start the network, looked at before the first step."""

    activation: str | None
    """The activation between the layers; null for the network's own."""

    initializer: AnyInitializer | None
    """How all weights were drawn; null for the network's own rules and values."""

    verdict: Verdict
    sentence: str
    """The verdict with the number behind it."""

    evidence: list[Evidence]
    """What was measured beside what is healthy, the number that decided first."""

    loss: OverSeeds
    """The data term before training."""

    loss_over_chance: OverSeeds
    """Well above 1 says that the first steps will be spent on the size of the outputs."""

    layers: list[LayerStart]
    """In the order of the network."""


class InitializationAnswer(Model):
    """How signals get through a network that has not been trained, forward and back."""

    rows: int
    examples: str
    """Where the rows come from."""

    loss: str
    """What the back-propagated signal is the gradient of."""

    seeds: list[int]
    """Of which the parameters were drawn; a job with one of them as its seed starts from the same."""

    chance: float | None
    """The loss of the best output that is the same for every row: the entropy of the classes' frequencies, Var(y) for
    mse. null for losses without such an output."""

    starts: list[Start]
    """For each activation every initializer, in the order they were asked for."""


class Initialization(BatchQuestion):
    """A network before training: what becomes of a signal from layer to layer, forward and back.

    For a model it is the network that is asked about, drawn anew by its own rules, and not what it has learned. Without
    examples a network gets standard normal inputs and meaningless targets, and a model the first rows of its training
    split. Each start is drawn for several seeds; in mode `training`, as here unless said otherwise, dropout drops and
    batch_norm goes by the batch, as in the first step.

    Verdicts go by the medians over the seeds. With q = rms(dL/dz) of the first layer over that of the last and L the
    number of layers: `explodes` for q^(1/(L−1)) > 2 or numbers that are not finite, `vanishes` for q < 1e-3 or a hidden
    layer whose units all are the same, either from three layers on; else `saturates` where more than a quarter of a
    hidden layer's slopes are below 6 % of their maximum.

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", section
    4; He et al. 2015, "Delving deep into rectifiers", section 2.2.
    """

    question: Literal["initialization"] = "initialization"

    sentence: ClassVar[str] = (
        "Before any training, do signals get through the layers, or do they saturate, vanish or explode?"
    )

    mode: Literal["evaluation", "training"] = "training"
    """`training` as in the first step: dropout drops, and batch_norm goes by the batch."""

    random_rows: Annotated[int, Field(ge=2, le=10_000)] | None = None
    """In place of examples: so many rows of standard normal inputs, with targets that mean nothing; 256 left out."""

    seeds: Annotated[int, Field(ge=1, le=MOST_SEEDS)] = 3
    """How many starts are drawn: of `seed`, `seed` + 1, …"""

    initializers: Annotated[list[AnyInitializer], Field(min_length=1, max_length=MOST_COMPARED)] | None = None
    """Rules to compare side by side, each drawing every weight; left out, the network's own."""

    activations: Annotated[list[str], Field(min_length=1, max_length=MOST_COMPARED)] | None = None
    """Activations to compare, each in place of every one between the layers; left out, the network's own."""

    @field_validator("activations")
    @classmethod
    def _are_known(cls, value: list[str] | None) -> list[str] | None:
        unknown = sorted(set(value or ()).difference(ACTIVATIONS))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} cannot be compared; there are {', '.join(ACTIVATIONS)}")
        return value

    @property
    def examples_place(self) -> str:
        """Where the examples stand in the request, or how many are to be drawn."""
        drawn = self.inputs is None and self.rows is None and self.batch is None
        return "/random_rows" if drawn else super().examples_place

    def answer(self, library: Library) -> InitializationAnswer:
        """Raises Invalid, also for networks without weights that are drawn and for what takes too long."""
        self._check_parts()
        graph, examples, described = self._network(library)
        layers = Layers(graph)
        self._check(graph, layers, examples.rows)
        guess = chance(graph, examples)
        return InitializationAnswer(
            rows=examples.rows,
            examples=described,
            loss=" + ".join(f"{loss.kind} of {loss.input}" for loss in graph.losses),
            seeds=self._seeds(),
            chance=guess,
            starts=[
                self._start(graph, examples, guess, activation=activation, initializer=initializer)
                for activation, initializer in self._compared()
            ],
        )

    def work(self, library: Library) -> float:
        """Forward and backward passes of every start and seed, and drawing them."""
        graph, examples, _ = self._network(library)
        return self._operations(graph, examples.rows)

    def _compared(self) -> list[tuple[str | None, Initializer | None]]:
        """Every activation with every initializer; None stands for the network's own."""
        activations: Sequence[str | None] = self.activations or [None]
        initializers: Sequence[Initializer | None] = self.initializers or [None]
        return list(product(activations, initializers))

    def _seeds(self) -> list[int]:
        return [(self.seed + number) % 2**63 for number in range(self.seeds)]

    def _network(self, library: Library) -> tuple[Graph, Examples, str]:
        """The network with something to differentiate, examples for it, and where those come from."""
        given = next((name for name in ("inputs", "rows", "batch") if getattr(self, name) is not None), None)
        if given is not None:
            return self._given(library, given)
        if self.targets is not None:
            raise Invalid([Problem("/targets", "are targets of `inputs`: give these too")])
        bound = bind(self.subject, library, seed=self.seed, inputs={}, widths={})
        if self.subject.model is not None and self.random_rows is None:
            history = library.history(self.subject.model)
            examples = history.experiment.training
            examples = examples.take(np.arange(min(USUAL_ROWS, examples.rows))).typed(bound.graph, np.float64)
            return bound.graph, examples, f"the first {examples.rows} rows of the model's training split"
        graph, rows = _with_a_loss(bound.graph), self.random_rows or USUAL_ROWS
        self._check_size(graph, rows)
        self._check_masks(rows)
        examples = random_examples(graph, rows, self.seed).typed(graph, np.float64)
        return graph, examples, "standard normal inputs, with targets that mean nothing, drawn from `seed`"

    def _given(self, library: Library, place: str) -> tuple[Graph, Examples, str]:
        if self.random_rows is not None:
            raise Invalid([Problem("/random_rows", f"are drawn in place of `{place}`; leave out one of the two")])
        posed = self.pose(library)
        graph, examples = posed.graph, posed.examples
        if not posed.has_targets:
            if graph.losses:
                detail = "the signal that comes back is the gradient of a loss, which needs targets: give them too"
                raise Invalid([Problem(self.targets_place, detail)])
            graph = _with_a_loss(graph)
            targets = random_examples(graph, examples.rows, self.seed).targets
            examples = Examples(examples.inputs, targets).typed(graph, np.float64)
        return graph, examples, f"`{place}` of the request"

    def _check_parts(self) -> None:
        """Raise Invalid for what this question has no use for."""
        detail = "the answer has one form: numbers that sum up every layer"
        names = [name for name in ("include", "summary") if getattr(self, name)]
        if names:
            raise Invalid([Problem(f"/{name}", detail) for name in names])

    def _check(self, graph: Graph, layers: Layers, rows: int) -> None:
        if not layers.all:
            raise Invalid([Problem("/subject", "the network draws no weights, so that it starts in one way only")])
        if self._operations(graph, rows) > MOST_OPERATIONS:
            detail = f"{rows} rows take too long for {self._passes} starts of this network: give fewer rows or seeds"
            raise Invalid([Problem(self.examples_place, detail)])
        told = len(layers.all) * self._passes
        if told > MOST_LAYERS:
            detail = (
                f"the answer would tell of {told} layers over all starts and seeds, at most {MOST_LAYERS} are given"
            )
            raise Invalid([Problem("/initializers" if self.initializers else "/seeds", detail)])

    @property
    def _passes(self) -> int:
        return self.seeds * len(self._compared())

    def _operations(self, graph: Graph, rows: int) -> float:
        of_pass = 3.0 * rows * sum(node.op.flops(node.input_shapes) for node in graph.nodes)
        return self._passes * (of_pass + 3 * _CALLING * len(graph.nodes) + _DRAWING * graph.size)

    def _start(
        self,
        graph: Graph,
        examples: Examples,
        guess: float | None,
        *,
        activation: str | None,
        initializer: Initializer | None,
    ) -> Start:
        if activation is not None:
            graph = with_activation(graph, activation)
        if initializer is not None:
            graph = with_initializer(graph, initializer)
        layers, training = Layers(graph), self.mode == "training"
        passes = [
            read_layers(
                graph, layers, initial_parameters(graph, seed, np.float64), examples, training=training, seed=seed
            )
            for seed in self._seeds()
        ]
        by_layer = list(zip(*(readings for readings, _ in passes), strict=True))
        losses = [loss for _, loss in passes]
        verdict, sentence, evidence = judge(layers, by_layer)
        return Start(
            activation=activation,
            initializer=initializer,
            verdict=verdict,
            sentence=sentence,
            evidence=evidence,
            loss=_over_seeds(losses),
            loss_over_chance=_over_seeds([loss / guess if loss is not None and guess else None for loss in losses]),
            layers=[_layer(layer, readings) for layer, readings in zip(layers.all, by_layer, strict=True)],
        )


def _with_a_loss(graph: Graph) -> Graph:
    """The same graph, judged by the squared error of its output where it has no loss of its own."""
    if graph.losses:
        return graph
    from_network = graph.network.model_copy(update={"losses": [Mse(input=graph.output, target="y")]})
    return build(from_network)


def _layer(layer: Layer, readings: Sequence[Reading]) -> LayerStart:
    return LayerStart(
        node=layer.node.id,
        op=layer.node.op.op,
        depth=layer.depth,
        output=layer.behind[-1].id if layer.behind else layer.node.id,
        pre_activation_mean=_over_seeds([one.z_mean for one in readings]),
        pre_activation_variance=_over_seeds([one.z_variance for one in readings]),
        output_mean=_over_seeds([one.mean for one in readings]),
        output_variance=_over_seeds([one.variance for one in readings]),
        signal_rms=_over_seeds([one.signal for one in readings]),
        saturated=_if_any([one.saturated for one in readings]),
        dead=_if_any([one.dead for one in readings]),
        non_finite=sum(one.non_finite for one in readings),
    )


def _over_seeds(values: Sequence[float | None]) -> OverSeeds:
    return OverSeeds(median=median(values), by_seed=list(values))


def _if_any(values: Sequence[float | None]) -> OverSeeds | None:
    return None if all(value is None for value in values) else _over_seeds(values)
