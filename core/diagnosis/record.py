"""What is remembered of a run for its diagnosis; of a long one, every so many-th epoch."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.diagnosis.course import Course, Failure, Point
from core.graph.graph import Graph
from core.training.statistics import EpochStatistics, NodeProbe, StepStatistics

MOST_EPOCHS, LEAST_EPOCHS = 512, 32
MOST_STEPS, LATER_STEPS = 16, 2
"""Of one of the first epochs, beside those at the start of the run; and of one of the later."""

FIRST_EPOCHS = 64

MOST_NORMS = 200_000
"""Tensors times epochs: a step holds three norms of each tensor."""

RECENT = 16
"""The last epochs are all remembered."""

FIRST_STEPS = 10


@dataclass
class Record:
    """The epochs of one run, as they come. What is remembered is a function of them, and of nothing else."""

    graph: Graph
    classes: bool
    rescales: bool
    chance: float | None
    _points: dict[int, Point] = field(default_factory=dict)
    _statistics: dict[int, EpochStatistics] = field(default_factory=dict)
    _unread: set[int] = field(default_factory=set)
    """Epochs whose statistics are still as they came."""

    _stride: int = 1

    def add(self, point: Point | None, statistics: EpochStatistics | None) -> None:
        """The next epoch; before the first there is no point, and of a step that overflowed neither."""
        if statistics is not None and (statistics.steps or statistics.probe is not None):
            self._statistics[statistics.epoch] = replace(statistics, steps=self._some(statistics))
            self._unread.add(statistics.epoch)
        if point is not None:
            self._points[point.epoch] = point
            self._forget(point.epoch)

    def course(self, failure: Failure | None = None) -> Course:
        """The run so far."""
        for epoch in self._unread & self._statistics.keys():
            self._statistics[epoch] = rounded(self._statistics[epoch])
        self._unread.clear()
        return Course(
            graph=self.graph,
            classes=self.classes,
            rescales=self.rescales,
            chance=self.chance,
            points=[self._points[epoch] for epoch in sorted(self._points)],
            statistics=[self._statistics[epoch] for epoch in sorted(self._statistics)],
            failure=failure,
        )

    @property
    def _most_epochs(self) -> int:
        return max(LEAST_EPOCHS, min(MOST_EPOCHS, MOST_NORMS // max(len(self.graph.layout), 1)))

    def _some(self, statistics: EpochStatistics) -> list[StepStatistics]:
        """The first of the run, and some of the others, spread evenly."""
        steps = statistics.steps
        fitting = MOST_STEPS * MOST_NORMS // (MOST_EPOCHS * max(len(self.graph.layout), 1))
        most = max(1, min(MOST_STEPS if statistics.epoch <= FIRST_EPOCHS else LATER_STEPS, fitting))
        first = [step for step in steps if step.step < FIRST_STEPS]
        rest = steps[len(first) :]
        count = min(len(rest), most)
        return [*first, *(rest[place * len(rest) // count] for place in range(count))]

    def _forget(self, last: int) -> None:
        """Thin the epochs out that are neither recent nor probed."""
        leaving = last - RECENT
        left = [leaving]
        if last > self._stride * self._most_epochs:
            self._stride *= 2
            left = [epoch for epoch in self._points if epoch <= leaving]
        for epoch in left:
            if epoch % self._stride and not self._is_probed(epoch):
                self._points.pop(epoch, None)
                self._statistics.pop(epoch, None)

    def _is_probed(self, epoch: int) -> bool:
        looked = self._statistics.get(epoch)
        return looked is not None and looked.probe is not None


def rounded(statistics: EpochStatistics) -> EpochStatistics:
    """The same with the digits that `core.training.packed` stores, so that who notices and who reads say the same."""
    steps = [_rounded_step(step) for step in statistics.steps]
    probe = statistics.probe
    if probe is not None:
        probe = replace(probe, nodes=[_rounded_look(look) for look in probe.nodes])
    return EpochStatistics(statistics.epoch, steps, probe)


def _rounded_step(step: StepStatistics) -> StepStatistics:
    return StepStatistics(
        step=step.step,
        learning_rate=step.learning_rate,
        gradient_norms=_single(step.gradient_norms),
        weight_norms=_single(step.weight_norms),
        update_norms=_single(step.update_norms),
        slope_rms=_single(step.slope_rms),
    )


def _rounded_look(look: NodeProbe) -> NodeProbe:
    mean, std, *quantiles = _single([look.mean, look.std, *look.quantiles])
    given = (look.slope_rms, look.dead, look.saturated, look.identical)
    kept = iter(_single([share for share in given if share is not None]))
    slope, dead, saturated, identical = (None if share is None else next(kept) for share in given)
    return NodeProbe(
        node=look.node,
        op=look.op,
        mean=mean,
        std=std,
        quantiles=quantiles,
        slope_rms=slope,
        dead=dead,
        saturated=saturated,
        identical=identical,
        non_finite=look.non_finite,
    )


def _single(numbers: Sequence[float]) -> list[float]:
    with np.errstate(over="ignore", under="ignore"):
        single: list[float] = np.array(numbers, np.float32).tolist()
    return single
