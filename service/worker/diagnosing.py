"""The diagnosis of a run while it trains: judged where its layers are looked at, told where it has changed."""

import logging
from collections.abc import Callable
from typing import Any

from core.diagnosis.chance import chance_of
from core.diagnosis.course import Course, Failure, Point
from core.diagnosis.judge import complete, judge, taken_over
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.verdict import Verdict, is_healthy
from core.experiment import Experiment
from core.training.checkpoint import Checkpoint
from core.training.events import Ended, EpochEnded
from core.training.statistics import EpochStatistics, is_probed
from service.diagnosis.schemas import DiagnosisTold
from service.diagnosis.use_cases import changes, new_record

_log = logging.getLogger("backprop.worker")


class Diagnosing:
    """What is remembered of one run, and the verdicts that stand.

    Both are functions of the epochs so far, so that an attempt that goes on tells what the undisturbed one would.
    """

    def __init__(
        self,
        experiment: Experiment,
        told: DiagnosisTold | None = None,
        checkpoint: Callable[[int], Checkpoint | None] = lambda _: None,
    ) -> None:
        """`told` is the last that an earlier attempt has told; `checkpoint` finds the state after an epoch."""
        graph, spec = experiment.graph, experiment.training_spec()
        self._chance = chance_of(graph, experiment.training) if told is None else told.chance
        self._laboratory = Laboratory(graph, spec, experiment.training, experiment.validation, checkpoint)
        self._standing: list[Verdict] = [] if told is None else told.verdicts
        self.record = new_record(graph, spec.optimizer.kind, self._chance)
        """The epochs so far; whoever goes on after another attempt enters those of before."""

    def begin(self, first: EpochStatistics | None) -> DiagnosisTold:
        """Before training; this is always told."""
        self.record.add(None, first)
        return self._judged(0) or self._state(0, [], self._standing)

    def after(self, ended: EpochEnded) -> DiagnosisTold | None:
        """What has changed with this epoch; None if nothing has, or nobody has looked."""
        losses = ended.training["loss"], ended.validation.get("loss")
        self.record.add(Point(ended.epoch, ended.learning_rate, *losses), ended.statistics)
        looked = is_probed(ended.epoch) if ended.statistics is None else ended.statistics.probe is not None
        return self._judged(ended.epoch) if looked else None

    def at_end(self, ended: Ended) -> DiagnosisTold | None:
        """What has changed with the end of the run."""
        if ended.reason != "diverged":
            return self._judged(ended.epoch)
        self.record.add(None, ended.statistics)
        return self._judged(ended.epoch, Failure(ended.node, ended.step, ended.epoch))

    def _judged(self, epoch: int, failure: Failure | None = None) -> DiagnosisTold | None:
        """What has changed with an epoch. What goes wrong here is logged: no job is lost over what is said of it."""
        try:
            return self._judge(epoch, failure)
        except Exception:  # noqa: BLE001 -- whatever it is, the training has nothing to do with it
            _log.exception("the run could not be diagnosed", extra={"epoch": epoch})
            return None

    def _judge(self, epoch: int, failure: Failure | None) -> DiagnosisTold | None:
        course, before = self.record.course(failure), self._standing
        found = [taken_over(verdict, before) for verdict in judge(course)]
        changed = {change.code for change in changes(before, found)}
        after = [self._completed(course, verdict) if verdict.code in changed else verdict for verdict in found]
        self._standing = after
        return self._state(epoch, before, after) if changed else None

    def _completed(self, course: Course, verdict: Verdict) -> Verdict:
        try:
            return complete(course, verdict, self._laboratory)
        except MemoryError:
            # The job has its memory for training; what would have been is left out sooner than the run given up.
            _log.warning("there was no memory to compute what would have been", extra={"code": verdict.code})
            return verdict

    def _state(self, epoch: int, before: list[Verdict], after: list[Verdict]) -> DiagnosisTold:
        facts: dict[str, Any] = {"epoch": epoch, "chance": self._chance, "changes": changes(before, after)}
        return DiagnosisTold(verdicts=after, healthy=is_healthy(after), **facts)
