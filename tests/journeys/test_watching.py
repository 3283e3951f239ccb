"""A job is trained and watched."""

from tests.journeys.jobs import a_dataset, a_job
from tests.journeys.running import Event, Service


def test_a_stream_that_breaks_in_the_middle_goes_on_without_gap_or_repeat(service: Service) -> None:
    job = a_job(service, a_dataset(service), epochs=40)
    heard: list[Event] = []
    stream = service.events(job)
    while len([event for event in heard if event.kind == "epoch"]) < 5:
        heard.append(next(stream))
    stream.close()
    heard += service.events(job, last=heard[-1].id)

    assert [event.id for event in heard] == list(range(1, len(heard) + 1))
    epochs = [event.data for event in heard if event.kind == "epoch"]
    assert [epoch["epoch"] for epoch in epochs] == list(range(1, 41))
    assert [event.data["state"] for event in heard if event.kind == "state"] == ["queued", "running", "succeeded"]
    assert heard[-1].kind == "end"
    finished = service.job(job)
    assert heard[-1].data["model"] == finished["model"]

    # Everything is over: a browser is told not to come back.
    again = service.http.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": str(heard[-1].id)})
    assert again.status_code == 204
    # The same with the same ids, in pages and as curves.
    page = service.get(f"/v1/jobs/{job}/events", after=10, limit=7)
    assert [event["id"] for event in page["data"]] == list(range(11, 18))
    assert page["data"][0]["data"] == heard[10].data
    curves = service.get(f"/v1/jobs/{job}/epochs")
    assert curves["training"]["loss"] == [epoch["training"]["loss"] for epoch in epochs]
    assert curves["validation"]["loss"] == [epoch["validation"]["loss"] for epoch in epochs]
    assert curves["training"]["loss"][-1] < curves["training"]["loss"][0]
    assert finished["progress"]["fraction"] == 1


def test_the_start_the_best_the_last_and_the_newest_checkpoints_are_kept(service: Service) -> None:
    job = a_job(service, a_dataset(service), epochs=12, checkpoints={"every_epochs": 5, "keep": 1})
    best = service.finished(job)["progress"]["best_epoch"]
    assert set(service.weights(job)) == {0, best, 10, 12}
