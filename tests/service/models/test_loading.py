"""The shelf of models that are ready to compute."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from service.kit.database import Database
from service.models.errors import ModelNotFound
from service.models.loading import LoadedModel, ModelShelf

Json = dict[str, Any]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """The shelf is in memory."""
    return sqlite_url


def get(shelf: ModelShelf, database: Database, reference: str) -> LoadedModel:
    with database.reading() as session:
        return shelf.get(session, reference)


def test_threads_that_want_one_model_at_once_share_it(database: Database, iris: Json) -> None:
    shelf = ModelShelf()
    with ThreadPoolExecutor(8) as threads:
        models = list(threads.map(lambda _: get(shelf, database, iris["model"]), range(32)))
    assert all(model is models[0] for model in models)


def test_every_reference_to_a_model_finds_the_same_one(database: Database, iris: Json) -> None:
    shelf = ModelShelf()
    assert get(shelf, database, "iris") is get(shelf, database, "iris@1") is get(shelf, database, iris["model"])


def test_what_was_not_used_for_longest_makes_room(database: Database, iris: Json) -> None:
    shelf = ModelShelf(most_models=2)
    at = [f"{iris['id']}@{epoch}" for epoch in (0, 11, 12)]
    first, second = get(shelf, database, at[0]), get(shelf, database, at[1])
    assert get(shelf, database, at[0]) is first
    get(shelf, database, at[2])
    assert get(shelf, database, at[0]) is first
    assert get(shelf, database, at[1]) is not second


def test_a_model_larger_than_the_shelf_is_served_all_the_same(database: Database, iris: Json) -> None:
    shelf = ModelShelf(most_bytes=1)
    model = get(shelf, database, "iris")
    assert get(shelf, database, "iris") is model
    get(shelf, database, f"{iris['id']}@0")
    assert get(shelf, database, "iris") is not model


def test_a_reference_to_nothing_leaves_nothing_behind(database: Database) -> None:
    shelf = ModelShelf()
    with pytest.raises(ModelNotFound):
        get(shelf, database, "nobody")


def test_evaluators_are_used_again_and_never_by_two_at_once(database: Database, iris: Json) -> None:
    model = get(ModelShelf(), database, "iris")
    with model.evaluator() as first, model.evaluator() as second:
        assert first is not second
    with model.evaluator() as again:
        assert again in (first, second)
