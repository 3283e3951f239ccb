"""Where two checkpoints differ, and how far they are apart."""

from dataclasses import replace

import numpy as np
import pytest

from core.arrays import Array
from core.data.samples import draw_sample
from core.experiment import Experiment, ExperimentSpec, resolve
from core.training.checkpoint import Checkpoint, memory_from_bytes, memory_to_bytes
from core.training.difference import Difference, difference, ulps
from core.training.events import EpochEnded
from core.weights import read_tensors, write_tensors

SPEC = {"target": "species", "epochs": 2, "network": {"layers": [{"op": "dense", "units": 3}, {"op": "dense"}]}}


@pytest.fixture(scope="module")
def trained() -> tuple[Experiment, Checkpoint]:
    """A run of irises after its first epoch."""
    experiment = resolve(ExperimentSpec.model_validate(SPEC), draw_sample("iris", None, None, None))
    run = experiment.run()
    assert isinstance(next(run.events()), EpochEnded)
    return experiment, run.checkpoint()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_are_as_far_apart_as_there_are_numbers_between_them(dtype: type[np.floating]) -> None:
    def of(*values: float) -> Array:
        return np.array(values, dtype)

    one, up, down = of(1), np.nextafter(of(1), of(2)), np.nextafter(of(1), of(0))
    tiny = np.nextafter(of(0), of(1))
    assert ulps(one, one) == 0
    assert (ulps(one, up), ulps(one, down), ulps(up, down)) == (1, 1, 2)
    assert (ulps(tiny, -tiny), ulps(of(0.0), of(-0.0)), ulps(of(0.0), tiny)) == (2, 0, 1)
    assert ulps(of(1, 1, 1), np.concatenate([one, up, np.nextafter(up, of(2))])) == 2
    most = float(np.finfo(dtype).max)
    bits = 32 if dtype == np.float32 else 64
    infinity = 2 ** (bits - 1) - 2 ** (np.finfo(dtype).nmant)
    assert ulps(of(most), of(-most)) == 2 * (infinity - 1)
    assert ulps(of(np.nan), one) is None
    assert ulps(of(np.nan, 1), np.concatenate([of(np.nan), up])) == 1


def test_equal_checkpoints_have_no_difference(trained: tuple[Experiment, Checkpoint]) -> None:
    experiment, checkpoint = trained
    assert difference(experiment.graph, checkpoint, replace(checkpoint)) is None


def test_the_first_tensor_in_the_order_of_the_network_is_told(trained: tuple[Experiment, Checkpoint]) -> None:
    experiment, checkpoint = trained
    tensors = {name: tensor.copy() for name, tensor in read_tensors(checkpoint.weights).items()}
    second = next(name for name in tensors if name.startswith("dense_2") and name.endswith("W"))
    tensors[second][0, :2] = np.nextafter(tensors[second][0, :2], np.float32(9))
    again = replace(checkpoint, weights=write_tensors(tensors), memory=b"never looked at")
    assert difference(experiment.graph, checkpoint, again) == Difference("weights", "dense_2", "W", 1, 2, 9)
    tensors["dense_1.b"][1] = np.inf
    again = replace(checkpoint, weights=write_tensors(tensors))
    assert difference(experiment.graph, checkpoint, again) == Difference("weights", "dense_1", "b", None, 1, 3)


def test_a_slot_of_the_optimizer_is_told_by_the_tensor_it_is_for(trained: tuple[Experiment, Checkpoint]) -> None:
    experiment, checkpoint = trained
    slots, progress = memory_from_bytes(checkpoint.memory)
    name = sorted(slots)[0]
    changed = slots[name].copy()
    changed[-1] = np.nextafter(changed[-1], np.float32(9))
    again = replace(checkpoint, memory=memory_to_bytes({**slots, name: changed}, progress))
    assert difference(experiment.graph, checkpoint, again) == Difference("memory", "dense_2", f"{name} of b", 1, 1, 3)
    waited = {**progress, "stopping": {**progress["stopping"], "wait": 7}}
    again = replace(checkpoint, memory=memory_to_bytes(slots, waited))
    found = difference(experiment.graph, checkpoint, again)
    assert found is not None
    assert (found.part, found.node, found.tensor, found.ulps) == ("memory", None, "stopping", None)
