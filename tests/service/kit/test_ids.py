from typing import NewType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kit.ids import IdKind

JobId = NewType("JobId", str)
JOBS = IdKind("job", JobId)


def test_ids_sort_by_birth_even_within_a_millisecond() -> None:
    ids = [JOBS.new() for _ in range(5000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_every_id_is_one() -> None:
    fresh = JOBS.new()
    assert JOBS.parse(fresh) == fresh


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+1",
        "1",
        "job_",
        "job_1",
        "ds_01jd0x9q0v5a3n8k5d9gq2h7rm",
        "job_01JD0X9Q0V5A3N8K5D9GQ2H7RM",
        "job_01jd0x9q0v5a3n8k5d9gq2h7rm\n",
        " job_01jd0x9q0v5a3n8k5d9gq2h7rm",
        "job_81jd0x9q0v5a3n8k5d9gq2h7rm",
        "job_01jd0x9q0v5a3n8k5d9gq2h7rl",
        "job_٠1jd0x9q0v5a3n8k5d9gq2h7rm",
        "job_01jd0x9q0v5a3n8k5d9gq2h7rm\x00",
        "job_" + "0" * 100_000,
        "\ud800",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_what_is_no_id_is_not_taken_for_one(text: str) -> None:
    assert JOBS.parse(text) is None


@given(st.text())
def test_no_other_text_is_an_id(text: str) -> None:
    assert JOBS.parse(text) is None
