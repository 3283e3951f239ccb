"""Which shapes the ops make, and which they refuse."""

import pytest

from core.arrays import Shape
from core.op import ShapeMismatch
from core.ops import OPS


@pytest.mark.parametrize(
    ("kind", "fields", "inputs", "expected"),
    [
        ("add", {}, [(2, 3), (2, 3)], (2, 3)),
        ("mul", {}, [(4,), (4,), (4,)], (4,)),
        ("concat", {}, [(3,), (2,)], (5,)),
        ("concat", {"axis": 1}, [(2, 3), (4, 3)], (6, 3)),
        ("concat", {"axis": -1}, [(2, 3), (2, 1)], (2, 4)),
        ("flatten", {}, [(2, 3, 4)], (24,)),
        ("flatten", {}, [()], (1,)),
        ("softmax", {"axis": 1}, [(3, 2)], (3, 2)),
        ("relu", {}, [()], ()),
        ("dense", {"units": 7}, [(5, 3)], (5, 7)),
        ("select", {"axis": 1, "index": 4}, [(5, 3)], (3,)),
        ("select", {}, [(5,)], ()),
        ("mean_over_axis", {"axis": -1}, [(5, 3)], (5,)),
        ("embedding", {"vocabulary": 9, "dim": 4}, [(5,)], (5, 4)),
        ("embedding", {"vocabulary": 9, "dim": 4}, [()], (4,)),
        ("group_norm", {"groups": 3}, [(6, 2, 2)], (6, 2, 2)),
    ],
)
def test_the_shape_of_the_output(kind: str, fields: dict[str, object], inputs: list[Shape], expected: Shape) -> None:
    assert OPS[kind].model_validate(fields).output_shape(inputs) == expected


@pytest.mark.parametrize(
    ("kind", "fields", "inputs", "message"),
    [
        ("add", {}, [(3,), (4,)], r"one shape, and gets \[3\] and \[4\]"),
        ("add", {}, [(3,), (1, 3)], "one shape"),
        ("mul", {}, [(3,), (1,)], "one shape"),
        ("concat", {"axis": 0}, [(3,), (3,)], "examples must not depend on each other"),
        ("concat", {"axis": -2}, [(3,), (3,)], "examples must not depend on each other"),
        ("concat", {"axis": 2}, [(3,), (3,)], "has no axis 2: its input has 2 axes"),
        ("concat", {"axis": -1}, [(2, 3), (4, 3)], r"cannot join \[4, 3\] to \[2, 3\]"),
        ("concat", {"axis": 1}, [(2, 3), (2,)], "cannot join"),
        ("select", {"axis": 0}, [(3,)], "examples must not depend on each other"),
        ("select", {"axis": 1, "index": 3}, [(3, 2)], "has no index 3: axis 1 of its input has 3 entries"),
        ("select", {"axis": 1, "index": -4}, [(3, 2)], "has no index -4"),
        ("mean_over_axis", {"axis": 2}, [(3,)], "has no axis 2"),
        ("embedding", {"dim": 4}, [(3,)], "needs `vocabulary` and `dim`"),
        (
            "group_norm",
            {"groups": 4},
            [(6, 2)],
            r"cannot split 6 channels into 4 equal groups; \[1, 2, 3, 6\] would do",
        ),
        *((kind, {}, [()], "at least one axis") for kind in ("batch_norm", "layer_norm", "rms_norm", "group_norm")),
        ("softmax", {"axis": 0}, [(3,)], "examples must not depend on each other"),
        ("softmax", {}, [()], "examples must not depend on each other"),
        ("log_softmax", {"axis": -3}, [(3,)], "has no axis -3"),
        ("dense", {"units": 7}, [()], "at least one axis"),
        ("dense", {}, [(3,)], "needs `units`"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_in_words(
    kind: str, fields: dict[str, object], inputs: list[Shape], message: str
) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        OPS[kind].model_validate(fields).output_shape(inputs)
