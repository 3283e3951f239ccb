from hypothesis import given
from hypothesis import strategies as st

from service.checkpoints.retention import Retention

retentions = st.builds(Retention, every_epochs=st.integers(1, 12), keep=st.integers(1, 6))
epochs = st.integers(0, 200)


def test_the_example_of_the_docstring_is_true() -> None:
    assert Retention(every_epochs=10, keep=2).epochs(last=25, best=7) == {0, 7, 10, 20, 25}


def test_before_training_there_is_the_start() -> None:
    assert Retention().epochs(last=0, best=None) == {0}


@given(retentions, epochs, st.data())
def test_the_start_the_best_and_the_last_are_always_kept(retention: Retention, last: int, data: st.DataObject) -> None:
    best = data.draw(st.integers(1, last)) if last else None
    kept = retention.epochs(last, best)
    assert {0, last} <= kept
    assert best is None or best in kept
    regular = {epoch for epoch in kept if epoch % retention.every_epochs == 0} - {0}
    assert len(regular - {best, last}) <= retention.keep
    assert kept - regular <= {0, best, last}
    assert max(kept) == last


@given(retentions, epochs, st.integers(1, 50))
def test_nothing_that_was_dropped_is_wanted_again(retention: Retention, last: int, further: int) -> None:
    """So what is kept in the end does not depend on when checkpoints were written and dropped."""
    wanted_later = retention.epochs(last + further, best=None)
    assert {epoch for epoch in wanted_later if epoch <= last} <= retention.epochs(last, best=None)
