"""A single gradient far larger than those around it."""

from math import hypot
from typing import ClassVar, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from core.diagnosis.course import Course
from core.diagnosis.rule import Rule
from core.diagnosis.verdict import Verdict


class GradientSpike(Rule):
    """A gradient ten times as long as the median of the ten looks before, while much is still to be learned.

    Of a run near its end, where most batches have nothing left to tell, such gradients are usual and not told. It is a
    warning if the loss of the next epoch was higher.
    """

    code: Literal["gradient_spike"] = "gradient_spike"

    most: float = 10.0
    looks_back: int = 10

    source: ClassVar[str] = (
        "Pascanu, Mikolov & Bengio 2013, section 3.2 (clipping at a multiple of the usual norm); Chowdhery et al. 2022"
        " (PaLM), section 5.1: spikes of the loss that come and go. The factor 10 is ours."
    )

    def judge(self, course: Course) -> Verdict | None:
        norms = np.array([hypot(*step.gradient_norms) for _, step in course.steps])
        if len(norms) <= self.looks_back:
            return None
        with np.errstate(all="ignore"):
            usual = np.median(sliding_window_view(norms[:-1], self.looks_back), axis=1)
            factors = norms[self.looks_back :] / usual
        spikes = [
            (course.steps[place + self.looks_back][0], float(factors[place]))
            for place in np.flatnonzero((factors > self.most) & np.isfinite(factors)).tolist()
        ]
        spikes = [(epoch, factor) for epoch, factor in spikes if not self._is_done(course, epoch)]
        if not spikes:
            return None
        epoch, factor = max(spikes, key=lambda one: one[1])
        times = "once" if len(spikes) == 1 else f"{len(spikes)} times"
        return self.verdict(
            "warning" if self._rose(course, epoch) else "information",
            f"A gradient was {factor:.2g} times as long as usual ({times} in the steps looked at): clipping, such as"
            " `clip: {norm: 1}`, would bound what one batch can do; look at its rows.",
            evidence=("|gradient| over the median of the looks before", factor, (None, self.most)),
            epochs=(spikes[0][0], spikes[-1][0]),
        )

    @staticmethod
    def _is_done(course: Course, epoch: int) -> bool:
        return any(point.epoch == epoch and course.has_learned(point.training) for point in course.points)

    @staticmethod
    def _rose(course: Course, epoch: int) -> bool:
        losses = {point.epoch: point.training for point in course.points}
        before, after = losses.get(epoch), losses.get(epoch + 1)
        return before is not None and after is not None and after > before
