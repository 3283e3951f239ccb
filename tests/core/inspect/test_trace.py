"""The trace question: every number of a pass, and the chain rule path by path."""

import json
import math
import re
from typing import Any

import numpy as np
import pytest

from core.arrays import Shape
from core.errors import Invalid
from core.inspect.trace import Trace
from core.inspection.answers import answered
from core.inspection.question import Library
from core.op import Op
from tests.one_op import every_op, question_about
from tests.reference_networks import Case, agrees, cases, request_of

Body = dict[str, Any]

SMALL_CASES = [one for one in cases() if len(next(iter(one["inputs"].values()))["data"]) <= 4]


def ask(body: Body, library: Library, **more: Any) -> dict[str, Any]:
    question = Trace.model_validate_json(json.dumps(body | more))
    answer: dict[str, Any] = json.loads(answered(question, library).model_dump_json())
    return answer


def mistakes(body: Body, library: Library, **more: Any) -> dict[str, Any]:
    with pytest.raises(Invalid) as caught:
        ask(body, library, **more)
    return {problem.pointer: problem for problem in caught.value.problems}


def chain(body: Body, library: Library, param: str) -> dict[str, Any]:
    """The chain, whose sum is the gradient that back-propagation found by itself."""
    answer = ask(body, library, param=param)
    found: dict[str, Any] = answer["chain"]
    node, name, *index = re.split(r"[.\[\]]+", param.rstrip("]"))
    assert found["gradient"] == np.array(answer["gradients"]["params"][node][name])[tuple(map(int, index))]
    assert found["agrees"] is True
    products = [term["product"] for term in found["terms"]]
    assert found["sum"] == pytest.approx(math.fsum(products), rel=1e-15, abs=0)
    assert found["sum"] == pytest.approx(found["gradient"], rel=1e-9, abs=1e-15)
    for term in found["terms"]:
        factors = [factor["value"] for factor in term["factors"]]
        if None not in factors:
            assert term["product"] == pytest.approx(math.prod(factors), rel=1e-14)
    return found


def paths(found: dict[str, Any]) -> list[list[str]]:
    return [term["path"] for term in found["terms"]]


def symbols(term: dict[str, Any]) -> list[str]:
    return [factor["entry"] for factor in term["factors"]]


def a_graph(nodes: list[Body], *, losses: list[Body] | None = None, rows: int = 1, **network: Any) -> Body:
    """Nodes that begin at an input x of two numbers, with a target for each loss."""
    losses = losses or [{"kind": "half_sse", "input": nodes[-1]["id"]}]
    generator = np.random.default_rng(8)
    widths = {loss.get("target", "y"): loss.pop("width", 2) for loss in losses}
    return {
        "subject": {"network": {"inputs": {"x": {"shape": [2]}}, "nodes": nodes, "losses": losses} | network},
        "inputs": {"x": generator.normal(size=(rows, 2)).tolist()},
        "targets": {name: generator.normal(size=(rows, width)).tolist() for name, width in widths.items()},
    }


def node(name: str, op: str, *inputs: str, **rest: Any) -> Body:
    return {"id": name, "op": op, "inputs": list(inputs)} | ({"units": 2} if op == "dense" else {}) | rest


@every_op
@pytest.mark.parametrize("mode", ["training", "evaluation"])
def test_the_paths_add_up_to_the_gradient_for_every_op(
    op: Op, shapes: list[Shape], mode: str, library: Library
) -> None:
    body = question_about(op, shapes, mode=mode)
    params = {piece["id"]: piece["params"] for piece in ask(body, library)["nodes"]}
    names = [
        f"{node}.{name}" + "".join(f"[{size - 1}]" for size in np.shape(value))
        for node, found in params.items()
        for name, value in list(found.items())
    ]
    for name in names:
        found = chain(body, library, name)
        assert found["gradient"] == 0 or found["terms"]


@pytest.mark.parametrize("case", SMALL_CASES, ids=lambda case: str(case["name"]))
def test_a_trace_has_every_number_that_gradients_has(case: Case, library: Library) -> None:
    answer = ask(request_of(case), library)
    assert agrees(answer, case)
    for found in answer["nodes"]:
        assert found["value"] == answer["values"][found["id"]]
        assert found["gradient"] == answer["gradients"]["nodes"].get(found["id"])
        assert found["param_gradients"] == answer["gradients"]["params"].get(found["id"], {})
    require_latex(answer["latex"])


def test_there_are_reference_networks_small_enough_to_trace() -> None:
    assert len(SMALL_CASES) >= 10


def test_a_diamond_has_a_path_along_each_side(library: Library) -> None:
    body = a_graph(
        [
            node("h", "dense", "x"),
            node("up", "tanh", "h"),
            node("down", "sigmoid", "h"),
            node("both", "add", "up", "down"),
        ]
    )
    found = chain(body, library, "h.W[1][0]")
    assert paths(found) == [["up", "h"], ["down", "h"]]
    assert symbols(found["terms"][0]) == ["dL/dboth[0]", "dboth[0]/dup[0]", "dup[0]/dh[0]", "dh[0]/dh.W[1][0]"]
    assert found["terms"][0]["factors"][1] == {"of": "dboth/dup", "entry": "dboth[0]/dup[0]", "value": 1.0}
    assert found["terms"][0]["factors"][3]["value"] == body["inputs"]["x"][0][1]
    assert found["grouped"] == []


def test_a_node_that_is_read_twice_by_one_other_has_a_path_for_each(library: Library) -> None:
    body = a_graph([node("h", "dense", "x"), node("square", "mul", "h", "h")])
    answer = ask(body, library, param="h.b[1]")
    h = answer["values"]["h"][0][1]
    assert [[factor["value"] for factor in term["factors"][1:]] for term in answer["chain"]["terms"]] == [[h, 1.0]] * 2
    assert answer["chain"]["agrees"]


def test_a_softmax_reaches_every_output_from_one_unit(library: Library) -> None:
    body = a_graph([node("h", "dense", "x"), node("p", "softmax", "h")])
    answer = ask(body, library, param="h.W[0][0]")
    p = answer["values"]["p"][0]
    first, second = answer["chain"]["terms"]
    assert first["factors"][1]["value"] == pytest.approx(p[0] * (1 - p[0]), rel=1e-12)
    assert second["factors"][1]["value"] == pytest.approx(-p[0] * p[1], rel=1e-12)
    assert symbols(second)[1] == "dp[1]/dh[0]"


def test_shared_parameters_have_paths_through_every_use(library: Library) -> None:
    body = a_graph(
        [node("h", "dense", "x"), node("a", "tanh", "h"), node("again", "dense", "a", share="h", units=2)],
        penalties=[],
    )
    found = chain(body, library, "h.W[0][1]")
    assert sorted(paths(found)) == [[], ["a", "h"], ["a", "h"]]
    assert ask(body, library, param="again.W[0][1]")["chain"] == found
    assert [one["shares"] for one in ask(body, library)["nodes"]] == [None, None, "h"]


def test_every_loss_begins_paths_of_its_own(library: Library) -> None:
    body = a_graph(
        [node("h", "dense", "x"), node("a", "tanh", "h"), node("o", "dense", "a")],
        losses=[
            {"kind": "half_sse", "input": "o", "target": "y"},
            {"kind": "mse", "input": "o", "target": "y", "weight": 0.5},
            {"kind": "mae", "input": "a", "target": "t", "weight": 3.0},
        ],
    )
    answer = ask(body, library, param="h.W[0][0]")
    by_loss = [(term["loss"], term["path"]) for term in answer["chain"]["terms"]]
    assert sorted(by_loss) == [(0, ["a", "h"])] * 2 + [(1, ["a", "h"])] * 2 + [(2, ["h"])]
    # mae over two entries, weighted by 3: ± 3 / 2.
    (hidden,) = [term for term in answer["chain"]["terms"] if term["loss"] == 2]
    assert abs(hidden["factors"][0]["value"]) == 1.5
    chain(body, library, "h.W[0][0]")


def test_a_penalty_is_a_term_of_its_own(library: Library) -> None:
    body = a_graph(
        [node("h", "dense", "x", params={"W": [[1.0, -2.0], [3.0, 4.0]], "b": [0.0, 0.0]})],
        penalties=[{"kind": "l2", "strength": 0.5}, {"kind": "l1", "strength": 7.0}],
    )
    *_, second, third = chain(body, library, "h.W[0][1]")["terms"]
    assert (second["product"], third["product"]) == (-1.0, -7.0)
    assert second["factors"] == [{"of": "dP/dh.W", "entry": "dP[0]/dh.W[0][1]", "value": -1.0}]
    assert third["factors"][0]["entry"] == "dP[1]/dh.W[0][1]"
    assert len(chain(body, library, "h.b[0]")["terms"]) == 1


def test_every_example_has_paths_of_its_own(library: Library) -> None:
    body = a_graph([node("h", "dense", "x"), node("a", "tanh", "h")], rows=3)
    found = chain(body, library, "h.W[0][1]")
    assert [term["example"] for term in found["terms"]] == [0, 1, 2]
    assert symbols(found["terms"][2]) == ["dL/da[2][1]", "da[2][1]/dh[2][1]", "dh[2][1]/dh.W[0][1]"]
    assert [term["factors"][-1]["value"] for term in found["terms"]] == [row[0] for row in body["inputs"]["x"]]


def test_batch_norm_in_training_leads_from_one_example_to_all(library: Library) -> None:
    body = a_graph([node("h", "dense", "x"), node("n", "batch_norm", "h")], rows=3) | {"mode": "training"}
    found = chain(body, library, "h.W[0][0]")
    assert len(found["terms"]) == 9
    assert {symbols(term)[1] for term in found["terms"]} == {
        f"dn[{i}][0]/dh[{j}][0]" for i in range(3) for j in range(3)
    }
    assert len(chain(body | {"mode": "evaluation"}, library, "h.W[0][0]")["terms"]) == 3


def test_where_paths_explode_they_are_gathered_and_still_add_up(library: Library) -> None:
    """60 stacked diamonds have 2^60 paths."""
    nodes = [node("h", "dense", "x")]
    for level in range(60):
        before = nodes[-1]["id"]
        nodes += [node(f"l{level}", "tanh", before), node(f"r{level}", "sin", before)]
        nodes += [node(f"s{level}", "add", f"l{level}", f"r{level}")]
    found = chain(a_graph(nodes), library, "h.W[0][0]")
    assert len(found["terms"]) == 128
    assert all(term["gathered"] and term["loss"] is None for term in found["terms"])
    assert found["grouped"] == ["all paths from the loss to an entry of 's6' are one factor, dL/ds6"]
    assert symbols(found["terms"][0])[0] == "dL/ds6[0]"


def test_wide_layers_are_gathered_where_they_meet(library: Library) -> None:
    body = a_graph(
        [
            node("h", "dense", "x", units=30),
            node("a", "tanh", "h"),
            node("g", "dense", "a", units=40),
            node("b", "tanh", "g"),
            node("o", "dense", "b", units=6),
        ],
        losses=[{"kind": "half_sse", "input": "o", "width": 6}],
    )
    found = chain(body, library, "h.W[0][3]")
    assert len(found["terms"]) == 40
    assert [one["entry"] for one in found["terms"][7]["factors"][:2]] == ["dL/db[7]", "db[7]/dg[7]"]
    assert len(found["grouped"]) == 1


def test_a_deep_network_has_one_long_path(library: Library) -> None:
    nodes = [node("h", "dense", "x")] + [
        node(f"n{level}", "identity", f"n{level - 1}" if level else "h") for level in range(1500)
    ]
    found = chain(a_graph(nodes), library, "h.W[0][0]")
    (term,) = found["terms"]
    assert len(term["path"]) == 1500
    assert len(term["factors"]) == 1502


def an_image(**changes: Any) -> Body:
    generator = np.random.default_rng(3)
    network = {
        "inputs": {"x": {"shape": [1, 20, 20]}},
        "layers": [{"op": "conv2d", "id": "c", "filters": 2, "kernel": 3}, {"op": "relu"}, {"op": "global_avg_pool"}],
        "losses": [{"kind": "mse"}],
    }
    x, y = generator.normal(size=(2, 1, 20, 20)), generator.normal(size=(2, 2))
    return {"subject": {"network": network}, "inputs": {"x": x.tolist()}, "targets": {"y": y.tolist()}} | changes


def test_an_entry_that_reaches_a_whole_image_has_a_term_for_each_example(library: Library) -> None:
    found = chain(an_image(), library, "c.W[0][0][1][1]")
    assert [(term["example"], term["gathered"]) for term in found["terms"]] == [(0, True), (1, True)]
    assert found["terms"][0]["factors"] == [
        {"of": "dL/dc", "entry": None, "value": None},
        {"of": "dc/dc.W", "entry": None, "value": None},
    ]
    assert "are taken together" in found["grouped"][0]


def test_hundreds_of_uses_of_a_parameter_end_in_one_term(library: Library) -> None:
    nodes = [node("h", "dense", "x")] + [
        node(f"h{use}", "dense", f"h{use - 1}" if use else "h", share="h") for use in range(250)
    ]
    body = a_graph(nodes)
    body["subject"]["network"]["nodes"][0]["params"] = {"W": [[0.6, 0.8], [-0.8, 0.6]], "b": [0.1, 0.2]}
    found = chain(body, library, "h.W[0][0]")
    assert len(found["terms"]) <= 202
    assert any("more uses" in sentence for sentence in found["grouped"])


def test_a_path_that_ends_at_a_dead_unit_shows_its_zero(library: Library) -> None:
    body = a_graph([node("h", "dense", "x", params={"W": [[0.0, 0.0]] * 2, "b": [-1.0, 1.0]}), node("a", "relu", "h")])
    dead, alive = (chain(body, library, f"h.b[{unit}]") for unit in (0, 1))
    assert [factor["value"] for factor in dead["terms"][0]["factors"]] == [0.0, 1.0]
    assert symbols(dead["terms"][0]) == ["dL/dh[0]", "dh[0]/dh.b[0]"]
    assert dead["gradient"] == 0
    assert len(alive["terms"][0]["factors"]) == 3


def test_layers_are_z_and_activations_a(library: Library) -> None:
    body = a_graph(
        [node("h", "dense", "x"), node("a", "tanh", "h"), node("o", "dense", "a"), node("p", "softmax", "o")]
    )
    found = [(one["id"], one["symbol"], one["pre_activation"]) for one in ask(body, library)["nodes"]]
    assert found == [("h", "z", None), ("a", "a", "h"), ("o", "z", None), ("p", "a", "o")]


def test_inputs_are_shown_as_they_are_fed(library: Library) -> None:
    body = a_graph([node("h", "dense", "x")], rows=2)
    answer = ask(body, library)
    assert answer["inputs"] == body["inputs"]
    assert len(answer["gradients"]["inputs"]["x"]) == 2
    assert answer["chain"] is None


def test_only_what_is_included_is_traced(library: Library) -> None:
    found = ask(a_graph([node("h", "dense", "x")]), library, include=["values"])["nodes"][0]
    assert found["value"] is not None
    assert found["gradient"] is found["params"] is found["param_gradients"] is None


@pytest.mark.parametrize(
    ("param", "said"),
    [
        ("h.W[0]", "shape [2, 2]: give 2 indices"),
        ("h.W[0][0][0]", "shape [2, 2]: give 2 indices"),
        ("h.W[0][2]", "shape [2, 2]: give 2 indices"),
        ("h.W", "shape [2, 2]: give 2 indices"),
        ("h.V[0]", "names no parameter"),
        ("W[0][0]", "names no parameter"),
        ("h.W[-1][0]", "names no parameter"),
        ("h.W[0][0", "names no parameter"),
        ("h.W[0][٣]", "names no parameter"),
        ("h.W[0][0]x", "names no parameter"),
    ],
)
def test_a_parameter_that_there_is_not_is_refused_with_those_there_are(param: str, said: str, library: Library) -> None:
    (problem,) = mistakes(a_graph([node("h", "dense", "x")]), library, param=param).values()
    assert problem.pointer == "/param"
    assert said in problem.detail
    assert "h.W[1][1]" in problem.allowed


def test_a_trace_is_of_four_examples_with_targets(library: Library) -> None:
    body = a_graph([node("h", "dense", "x")], rows=5)
    assert mistakes(body, library)["/inputs"].got == 5
    four = a_graph([node("h", "dense", "x")], rows=4)
    assert len(ask(four, library)["values"]["h"]) == 4
    del four["targets"]
    assert "needs targets" in mistakes(four, library)["/targets"].detail


def test_a_trace_of_wide_layers_can_be_summarized(library: Library) -> None:
    body = a_graph([node("h", "dense", "x", units=70_000), node("m", "select", "h")])
    body["subject"]["network"]["losses"] = [{"kind": "mse", "input": "m"}]
    body["targets"] = {"y": [0.5]}
    answer = ask(body, library, summary=True)
    assert answer["nodes"][0]["params"]["W"]["shape"] == [2, 70_000]
    assert "2 × 70000 numbers, rms" in answer["markdown"]
    require_latex(answer["latex"])


def test_numbers_that_are_not_finite_are_null_and_the_chain_does_not_judge_them(library: Library) -> None:
    body = a_graph([node("h", "dense", "x"), node("e", "exp", "h")])
    body["subject"]["network"]["nodes"][0]["params"] = {"W": [[0.0, 0.0]] * 2, "b": [1000.0, 0.0]}
    answer = ask(body, library, param="h.b[0]")
    assert answer["loss"] is None
    assert answer["chain"]["gradient"] is answer["chain"]["sum"] is answer["chain"]["agrees"] is None
    assert {one["pointer"] for one in answer["non_finite"]} >= {"/values/e", "/gradients/nodes/h"}
    require_latex(answer["latex"])


def require_latex(written: str) -> None:
    """Balanced braces, brackets and environments, no character that text mode would trip over."""
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", written):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    assert written.startswith("\\begin{aligned}\n") and written.endswith("\n\\end{aligned}")
    assert written.count(r"\left(") == written.count(r"\right)")
    depth = 0
    for sign in re.findall(r"(?<!\\)[{}]", written):
        depth += 1 if sign == "{" else -1
        assert depth >= 0
    assert depth == 0
    # `_` begins a subscript: outside of names it is followed by a group, and within them it is escaped.
    assert not re.search(r"(?<!\\)_(?!\{)", written)
    assert not re.search(r"(?<!\\)[#$%]", written)
    for line in written.splitlines()[1:-1]:
        outside = re.sub(r"\\begin\{pmatrix\}.*?\\end\{pmatrix\}", "", line)
        assert len(re.findall(r"(?<!\\)&", outside)) == 1
    assert all(line.endswith(" \\\\") for line in written.splitlines()[1:-2])


def test_the_derivation_is_written_out_with_names_escaped(library: Library) -> None:
    body = a_graph(
        [node("my_h.1-a", "dense", "x", params={"W": [[1.0, 2e-7], [3.0, 4.0]], "b": [0.0, 0.0]})],
        penalties=[{"kind": "l2", "strength": 0.5}],
    )
    answer = ask(body, library, param="my_h.1-a.W[0][1]")
    x, gradient = body["inputs"]["x"][0][0], answer["gradients"]["params"]["my_h.1-a"]["W"][0][1]
    text = answer["markdown"]
    assert "## Forward" in text and "## Loss" in text and "## Backward" in text
    assert "## Chain rule for my_h.1-a.W[0][1]" in text
    assert "- `my_h.1-a.W = [[1, 2e-07], [3, 4]]`" in text
    slope = answer["gradients"]["nodes"]["my_h.1-a"][0][1]
    assert (
        f"- `dL/dmy_h.1-a[1] · dmy_h.1-a[1]/dmy_h.1-a.W[0][1] = {slope:.6g} · ({x:.6g}) = {slope * x:.6g}`" in text
        or f"- `dL/dmy_h.1-a[1] · dmy_h.1-a[1]/dmy_h.1-a.W[0][1] = ({slope:.6g}) · ({x:.6g}) = {slope * x:.6g}`" in text
    )
    assert "- `L = L[0] + P[0] = " in text
    assert f"- `sum of the terms = {gradient:.6g}`" in text or f"- `sum of the terms = ({gradient:.6g})`" in text
    written = answer["latex"]
    require_latex(written)
    assert r"\text{my\_h.1-a.W} &= \begin{pmatrix} 1 & 2 \cdot 10^{-7} \\ 3 & 4 \end{pmatrix}" in written
    assert r"\frac{\partial L}{\partial \text{my\_h.1-a}_{1}} \cdot" in written


def test_long_derivations_are_cut_and_say_so(library: Library) -> None:
    nodes = [node("h", "dense", "x", units=60), node("o", "dense", "h", units=2)]
    nodes += [node(f"n{level}", "identity", f"n{level - 1}" if level else "o") for level in range(150)]
    answer = ask(a_graph(nodes), library, param="h.W[0][0]")
    assert "- … and 52 more nodes" in answer["markdown"]
    many = a_graph([node("h", "dense", "x", units=3), node("o", "dense", "h", units=60)])
    many["targets"] = {"y": np.zeros((1, 60)).tolist()}
    answer = ask(many, library, param="h.W[0][0]")
    assert len(answer["chain"]["terms"]) == 60
    assert "- … and 30 more terms, together " in answer["markdown"]
    require_latex(answer["latex"])


def test_work_grows_with_what_is_followed(library: Library) -> None:
    body = a_graph([node("h", "dense", "x"), node("a", "tanh", "h")])
    plain = Trace.model_validate(body).work(library)
    followed = Trace.model_validate(body | {"param": "h.W[0][0]"}).work(library)
    assert 0 < plain < followed < 1e8
    assert Trace.model_validate(an_image(param="c.W[0][0][0][0]")).work(library) < 1e10
