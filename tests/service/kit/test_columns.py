import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kit.database.columns import NotStorable, json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(VALUES)
def test_what_is_stored_comes_back_or_is_refused(value: Any) -> None:
    try:
        stored = json_text(value)
    except NotStorable:
        assert "\x00" in repr(value) or "\\x00" in repr(value) or "\\ud" in repr(value)
    else:
        assert json.loads(stored) == value


@pytest.mark.parametrize(
    "value",
    [float("nan"), [float("inf")], {"a": -float("inf")}, "a\x00b", {"\x00": 1}, "\ud800", ["\\\x00"], {"\udfff": 1}],
    ids=repr,
)
def test_what_one_database_would_lose_is_refused(value: Any) -> None:
    with pytest.raises(NotStorable):
        json_text(value)


@pytest.mark.parametrize("value", ["\\u0000", "\\\\u0000", "u0000", {"b": 1, "a": 2}, 0.1 + 0.2, 1e308, 2**70])
def test_what_only_looks_wrong_is_kept(value: Any) -> None:
    assert json.loads(json_text(value)) == value
    if isinstance(value, dict):
        assert list(json.loads(json_text(value))) == list(value)
