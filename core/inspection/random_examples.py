"""Examples for a network that comes without any: standard normal inputs, and targets that mean nothing."""

import numpy as np

from core.arrays import Array
from core.graph.graph import Graph
from core.training.examples import Examples


def random_examples(graph: Graph, rows: int, seed: int) -> Examples:
    """Inputs (rows, …) that are standard normal, or indices evenly over what is known, and targets for every loss."""
    # Another stream than that of the parameters, which are drawn from the same seed.
    generator = np.random.default_rng([seed, *b"random examples"])
    inputs: dict[str, Array] = {}
    for name, spec in graph.inputs.items():
        shape = (rows, *spec.axes)
        is_index = spec.dtype == "int"
        inputs[name] = (
            generator.integers(0, graph.index_limits[name], shape) if is_index else generator.normal(size=shape)
        )
    targets: dict[str, Array] = {}
    for loss in graph.losses:
        if str(loss.target) not in targets:
            targets[str(loss.target)] = loss.random_targets(graph.shape_of(str(loss.input)), rows, generator)
    return Examples(inputs, targets)
