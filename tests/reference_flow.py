"""The network whose flow was worked out elsewhere, and what an answer about it has to say."""

import json
from pathlib import Path
from typing import Any

import pytest

Body = dict[str, Any]
REFERENCE: Body = json.loads((Path(__file__).parent / "reference" / "inspection.json").read_text())


def the_reference() -> Body:
    given = REFERENCE["network"]
    nodes = [
        {"id": "z1", "op": "dense", "inputs": ["x"], "params": {"W": given["W1"], "b": given["b1"]}},
        {"id": "h", "op": "tanh", "inputs": ["z1"]},
        {"id": "z2", "op": "dense", "inputs": ["h"], "params": {"W": given["W2"], "b": given["b2"]}},
    ]
    return {
        "subject": {"network": {"nodes": nodes, "losses": [{"kind": "cross_entropy"}]}},
        "inputs": {"x": given["x"]},
        "targets": {"y": given["y"]},
        "learning_rate": REFERENCE["flow"]["learning_rate"],
    }


def agrees_with_the_reference(answer: Body) -> None:
    def near(value: Any) -> Any:
        return pytest.approx(value, rel=1e-9, abs=1e-15)

    expected = REFERENCE["flow"]
    for name, numbers in expected["tensors"].items():
        ours = answer["tensors"][f"z{name[1]}.{name[0]}"]
        assert {key: ours[key] for key in numbers} == near(numbers)
    for name, numbers in expected["activations"].items():
        node = answer["nodes"][name]
        assert node["mean"] == near(numbers["mean"])
        assert node["std"] == near(numbers["std_biased"])
        assert node["saturated"] == numbers["saturated_fraction_abs_gt_0.97"]
        assert node["units"] == {"mean": near(numbers["per_unit_mean"]), "std": near(numbers["per_unit_std_biased"])}
        assert node["mean_local_slope"] == near(numbers["mean_local_slope"])
    signals = {layer["node"]: layer["slope_rms"] for layer in answer["layers"]}
    assert signals == {name: near(expected["backpropagated"][f"dL_d{name}_rms"]) for name in ("z1", "z2")}
    ratio = "first_to_last_weight_gradient_norm_ratio"
    assert answer[ratio] == near(expected[ratio])
    assert answer["first_to_last_slope_ratio"] == near(signals["z1"] / signals["z2"])
