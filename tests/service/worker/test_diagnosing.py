"""The diagnosis of a run while it trains, and when another attempt goes on with it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from core.training.events import EpochEnded
from service.checkpoints.retention import Retention
from service.diagnosis.use_cases import diagnose
from service.jobs.creation import resolve_for
from service.jobs.leases import Lease
from service.jobs.schemas import JobSpec
from service.jobs.tables import EventRow, JobPlanRow
from service.kit.database import Database
from service.settings import Settings
from service.worker import runner
from service.worker.diagnosing import Diagnosing
from service.worker.recorder import Recorder

ALease = Callable[..., Lease]
Json = dict[str, Any]

pytestmark = pytest.mark.usefixtures("own_signals")

FAULTY: Json = {
    "network": {"layers": [{"op": "dense", "units": 12}, {"op": "sigmoid"}] * 7 + [{"op": "dense"}]},
    "optimizer": {"kind": "rmsprop", "learning_rate": 0.003},
    "epochs": 20,
}
"""A run whose verdicts come and go."""


def begin(database: Database, lease: Lease, epochs: int) -> None:
    """What an attempt writes that is lost after so many epochs."""
    with database.reading() as session:
        spec = JobSpec.model_validate_json(json.dumps(session.get_one(JobPlanRow, lease.job_id).spec))
        experiment = resolve_for(session, spec, 10**6)
    run, diagnosing = experiment.run(), Diagnosing(experiment)
    recorder = Recorder(database, lease, Retention(), used_seconds=0.0)
    first = run.first_look()
    recorder.start(run.checkpoint(), first, diagnosing.begin(first))
    for event in run.events():
        if not isinstance(event, EpochEnded) or event.epoch > epochs:
            break
        recorder.add(event, run.checkpoint, diagnosing.after(event))
    recorder.drop_unfinished()
    recorder.flush()


def told(database: Database, lease: Lease) -> list[Json]:
    """All that was told of the diagnosis, without its time."""
    query = select(EventRow).where(EventRow.job_id == lease.job_id, EventRow.kind == "diagnosis").order_by(EventRow.id)
    with database.reading() as session:
        return [{key: value for key, value in row.data.items() if key != "at"} for row in session.scalars(query)]


@pytest.mark.parametrize("epochs", [0, 1, 11])
def test_an_attempt_that_goes_on_tells_what_the_undisturbed_one_tells(
    settings: Settings, database: Database, a_lease: ALease, epochs: int
) -> None:
    """Nothing twice, nothing lost, and every number the same."""
    quiet = a_lease(**FAULTY)
    assert runner.run(settings, quiet) == runner.DONE
    broken = a_lease(**FAULTY)
    begin(database, broken, epochs)
    assert runner.run(settings, broken) == runner.DONE
    assert told(database, broken) == told(database, quiet)
    assert len(told(database, quiet)) > 2
    with database.reading() as session:
        assert diagnose(session, broken.job_id) == diagnose(session, quiet.job_id)


def test_verdicts_can_be_read_while_the_run_goes_on(database: Database, a_lease: ALease) -> None:
    lease = a_lease(**FAULTY)
    begin(database, lease, 3)
    with database.reading() as session:
        found = diagnose(session, lease.job_id)
    assert found.epoch == 3
    vanishing = next(verdict for verdict in found.verdicts if verdict.code == "vanishing")
    assert vanishing.epochs == (0, 3)
    assert vanishing.counterfactual is not None
