"""Train a job's model once more, and compare every epoch and every checkpoint that is kept with what was stored."""

import json
from dataclasses import dataclass, field

from core.experiment import Experiment
from core.training.difference import Difference, difference
from core.training.events import Ended, EpochEnded
from core.training.run import Run
from core.weights import digest
from service.checkpoints import use_cases as checkpoints
from service.checkpoints.tables import CheckpointRow
from service.jobs.errors import JobNotFound
from service.jobs.ids import JobId
from service.jobs.results import Compared, FirstDifference, Provenances, ReplayResult
from service.jobs.schemas import JobSpec
from service.jobs.tables import JobPlanRow
from service.kit.provenance import Provenance, provenance
from service.replays import use_cases as replays
from service.replays.schemas import ReplaySpec
from service.worker.attempt import Attempt
from service.worker.conclusions import Conclusion, failure, finding
from service.worker.driving import drive, experiment_of, written
from service.worker.kind import Kind
from service.worker.limits import unlimited_growth


@dataclass
class _Replay:
    """A replay under way."""

    attempt: Attempt
    spec: ReplaySpec
    experiment: Experiment
    run: Run
    kept: dict[int, CheckpointRow]
    compared: list[int] = field(default_factory=list)
    """Epochs of the checkpoints that were the same."""

    same_until: int = 0
    """Up to here the curves are known to be the same."""

    @property
    def job_id(self) -> JobId:
        return JobId(self.spec.job)

    def look(self, ended: EpochEnded) -> Conclusion | None:
        """Compare where there is something to compare with, and conclude at the end or at the first difference."""
        if ended.epoch not in self.kept and ended.epoch != self.spec.last:
            return None
        assert self.attempt.recorder is not None
        self.attempt.recorder.write_now(self.run.checkpoint())
        return self.compare(ended.epoch)

    def compare(self, epoch: int) -> Conclusion | None:
        """The conclusion from everything up to an epoch that is written; None while there is more to compare."""
        at_checkpoint = self._at_checkpoint(epoch)
        differing = self._curves(epoch)
        if at_checkpoint is None and differing is None:
            self.same_until = epoch
            self.compared += [epoch] if epoch in self.kept else []
            return self._conclusion(epoch, None) if epoch >= self.spec.last else None
        if epoch not in self.kept and epoch < self.spec.last:
            # A measure differs already; the tensor is known at the next checkpoint.
            return None
        return self._conclusion(epoch, self._first(differing, epoch, at_checkpoint))

    def finish(self, ended: Ended) -> Conclusion:
        """The run came to its end before it was stored to."""
        at = ended.epoch + 1
        nothing = dict.fromkeys(("stored", "replayed", "checkpoint", "part", "node", "tensor", "ulps"))
        found = FirstDifference(epoch=at, measure=f"end: {ended.reason}", differing=None, entries=None, **nothing)
        return self._conclusion(ended.epoch, found)

    def _at_checkpoint(self, epoch: int) -> Difference | None:
        row, again = self.kept.get(epoch), self.run.checkpoint()
        if row is None or (row.weights, row.memory) == (digest(again.weights), digest(again.memory)):
            return None
        with self.attempt.database.reading() as session:
            stored = checkpoints.load(session, row)
        return difference(self.experiment.graph, stored, again)

    def _curves(self, epoch: int) -> int | None:
        with self.attempt.database.reading() as session:
            epochs = range(max(self.spec.first, self.same_until + 1), epoch + 1)
            return replays.first_differing_epoch(session, self.job_id, self.attempt.lease.job_id, epochs)

    def _first(self, differing: int | None, epoch: int, found: Difference | None) -> FirstDifference:
        name, stored, replayed = (None, None, None) if differing is None else self._measure(differing)
        return FirstDifference(
            epoch=epoch if differing is None else differing,
            measure=name,
            stored=stored,
            replayed=replayed,
            checkpoint=None if found is None else epoch,
            part=None if found is None else found.part,
            node=None if found is None else found.node,
            tensor=None if found is None else found.tensor,
            ulps=None if found is None else found.ulps,
            differing=None if found is None else found.differing,
            entries=None if found is None else found.entries,
        )

    def _measure(self, epoch: int) -> tuple[str | None, float | None, float | None]:
        """The first measure of an epoch that differs, and its two values."""
        with self.attempt.database.reading() as session:
            stored = replays.measures(session, self.job_id, epoch)
            again = replays.measures(session, self.attempt.lease.job_id, epoch)
        names = [name for name in {**stored, **again} if stored.get(name) != again.get(name)]
        return (names[0], stored.get(names[0]), again.get(names[0])) if names else (None, None, None)

    def _conclusion(self, epoch: int, found: FirstDifference | None) -> Conclusion:
        first = self.spec.first
        curves = [first, epoch] if epoch >= first else []
        ends = [self.compared[0], self.compared[-1]] if self.compared else []
        provenances = self._provenances()
        result = ReplayResult(
            equal=found is None,
            epochs=self.spec.epochs,
            started_from=self.spec.started_from,
            compared=[
                Compared(what="curves", epochs=curves, count=max(epoch - first + 1, 0)),
                Compared(what="checkpoints", epochs=ends, count=len(self.compared)),
            ],
            difference=found,
            provenance=provenances,
            explanation=_explanation(found, provenances),
        )
        return finding("replayed", result)

    def _provenances(self) -> Provenances:
        with self.attempt.database.reading() as session:
            stored = session.get_one(JobPlanRow, self.job_id).provenance
            again = session.get_one(JobPlanRow, self.attempt.lease.job_id).provenance
        before = [Provenance.model_validate(one) for one in stored]
        now = [Provenance.model_validate(one) for one in again] or [provenance()]
        return Provenances(stored=before, replayed=now, differs=_differs(before, now))


def _differs(before: list[Provenance], now: list[Provenance]) -> list[str]:
    """What is not the same in all of them: `blas.kernel`."""
    flat = [_flat(one) for one in (*before, *now)]
    return [name for name in flat[0] if len({json.dumps(one[name]) for one in flat}) > 1]


def _flat(one: Provenance) -> dict[str, object]:
    members = one.model_dump(mode="json")
    return {**{f"blas.{name}": value for name, value in members.pop("blas").items()}, **members}


def _explanation(found: FirstDifference | None, provenances: Provenances) -> str:
    differs = " and ".join(provenances.differs)
    if found is None:
        also = f", though {differs} differ" if differs else ""
        return f"Every measure and every checkpoint is the same, bit for bit{also}."
    if differs:
        return f"The run differs from epoch {found.epoch} on. What computed it differs as well: {differs}."
    return f"The run differs from epoch {found.epoch} on, though the same libraries and CPU kernels computed it."


def _replay(attempt: Attempt) -> Conclusion:
    """Go on after the last epoch that this replay has written; the first is a copy of the job's own checkpoint."""
    spec = ReplaySpec.model_validate_json(json.dumps(attempt.spec()))
    attempt.record(None)
    try:
        with attempt.database.reading() as session:
            kept = replays.kept(session, spec)
            asked = session.get_one(JobPlanRow, spec.job).spec
    except JobNotFound:
        return failure("error", {"detail": "The job that was to be replayed is deleted."})
    experiment = experiment_of(attempt, JobSpec.model_validate_json(json.dumps(asked)))
    run, before = experiment.run(), written(attempt)
    assert before is not None, "a replay has a checkpoint from the start"
    with unlimited_growth():
        run.restore(before[0])
        replay = _Replay(attempt, spec, experiment, run, kept, sorted(epoch for epoch in kept if epoch < run.epoch))
        # An earlier attempt may have been lost between an epoch and what it was to conclude from it.
        seen = replay.compare(run.epoch) if run.epoch >= spec.first else None
    return seen or drive(attempt, run, replay.finish, look=replay.look)


KIND = Kind("replay", _replay)
