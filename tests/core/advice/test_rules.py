"""Each rule: where it speaks, and near its border where it does not; and the networks that get no advice at all."""

from typing import Any

import numpy as np
import pytest

from core.advice import RULES, Advice, Situation, TrainingPlan, advise
from core.experiment.defaults import default_loss, default_network
from core.graph.build import Surroundings, build
from core.graph.graph import Graph
from core.network import InputSpec, Network
from core.optimizers import OPTIMIZERS
from core.optimizers.adam import Adam
from tests.reference_networks import cases, request_of

Json = dict[str, Any]

DENSE: Json = {"op": "dense", "units": 8}
OUT: Json = {"op": "dense", "units": 3}
RELU: Json = {"op": "relu"}
NORM: Json = {"op": "batch_norm"}
NO_BIAS: Json = {"op": "dense", "units": 8, "bias": False}


def of(name: str) -> Json:
    return {"op": name}


def drop(p: float) -> Json:
    return {"op": "dropout", "p": p}


def dense(units: int, **more: Any) -> Json:
    return {"op": "dense", "units": units, **more}


def conv(**more: Any) -> Json:
    return {"op": "conv2d", "filters": 4, "kernel": 1, **more}


def a_chain(*layers: Json, loss: str | None = "cross_entropy", shape: tuple[int, ...] = (4,), **more: Any) -> Graph:
    network: Json = {"inputs": {"x": {"shape": list(shape)}}, "layers": list(layers), **more}
    if loss is not None:
        network["losses"] = [{"kind": loss}]
    return build(Network.model_validate(network))


def codes(graph: Graph, plan: TrainingPlan | None = None) -> list[str]:
    return [advice.code for advice in advise(Situation(graph, plan))]


def the(graph: Graph, code: str, plan: TrainingPlan | None = None) -> Advice:
    (found,) = [advice for advice in advise(Situation(graph, plan)) if advice.code == code]
    return found


SPEAKS: dict[str, list[Graph]] = {
    "double_softmax": [
        a_chain(DENSE, RELU, OUT, of("softmax")),
        a_chain(DENSE, RELU, OUT, of("softmax"), of("identity")),
        a_chain(OUT, of("softmax"), loss="bce_with_logits"),
    ],
    "squashed_logits": [
        a_chain(OUT, of("sigmoid")),
        a_chain(OUT, of("tanh")),
        a_chain(OUT, of("relu")),
        a_chain(OUT, of("sigmoid"), loss="bce_with_logits"),
    ],
    "not_probabilities": [
        a_chain(OUT, loss="bce"),
        a_chain(OUT, of("tanh"), loss="bce"),
        a_chain(OUT, of("relu"), loss="bce"),
        a_chain(OUT, of("gelu"), loss="bce"),
        a_chain(OUT, of("relu6"), loss="bce"),
        a_chain(OUT, loss="categorical_ce_probs"),
        a_chain(OUT, of("softmax"), loss="nll"),
        a_chain(OUT, loss="nll"),
        a_chain(OUT, of("softmax"), loss="kl_div"),
    ],
    "bounded_output": [
        a_chain(OUT, of("sigmoid"), loss="mse"),
        a_chain(OUT, of("relu"), loss="mse"),
        a_chain(OUT, of("tanh"), loss="mae"),
        a_chain(OUT, of("sigmoid"), loss="hinge"),
    ],
    "consecutive_linear": [
        a_chain(DENSE, OUT),
        a_chain(DENSE, drop(0.5), OUT),
        a_chain(dense(4), dense(9), dense(2), loss="mse"),
        a_chain(conv(), conv(), of("flatten"), RELU, OUT, shape=(1, 2, 2)),
        a_chain(conv(), of("flatten"), OUT, shape=(1, 2, 2)),
    ],
    "symmetric_start": [
        a_chain(dense(8, init="zeros"), RELU, OUT),
        a_chain(dense(8, init={"kind": "constant", "value": 0.1}), RELU, OUT),
        a_chain(dense(8, init={"kind": "normal", "std": 0.0}), RELU, OUT),
        a_chain(dense(2, params={"W": np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]])}), RELU, OUT),
        a_chain(DENSE, RELU, OUT, init="zeros"),
        a_chain(conv(init="zeros"), RELU, of("flatten"), OUT, shape=(1, 2, 2)),
    ],
    "deep_saturation": [
        a_chain(*[DENSE, of("sigmoid")] * 5, OUT),
        a_chain(*[DENSE, of("hardsigmoid")] * 4, OUT),
        a_chain(NORM, *[DENSE, of("sigmoid")] * 5, OUT),
    ],
    "dropout_before_batch_norm": [
        a_chain(DENSE, RELU, drop(0.1), NORM, OUT),
        a_chain(DENSE, RELU, drop(0.5), NO_BIAS, NORM, RELU, OUT),
    ],
    "bias_before_batch_norm": [
        a_chain(DENSE, NORM, RELU, OUT),
        a_chain(conv(), NORM, RELU, of("flatten"), OUT, shape=(1, 2, 2)),
    ],
    "dropout_on_output": [a_chain(DENSE, RELU, OUT, drop(0.1))],
}

KEEPS_SILENT: dict[str, list[Graph]] = {
    "double_softmax": [
        a_chain(DENSE, RELU, OUT),
        a_chain(OUT, of("log_softmax")),
        a_chain(OUT, of("softmax"), loss="categorical_ce_probs"),
        a_chain(DENSE, of("softmax"), OUT),
    ],
    "squashed_logits": [
        a_chain(OUT, of("leaky_relu")),
        a_chain(OUT, of("log_softmax")),
        a_chain(DENSE, of("tanh"), OUT),
        a_chain(OUT, of("sigmoid"), loss="bce"),
    ],
    "not_probabilities": [
        a_chain(OUT, of("sigmoid"), loss="bce"),
        a_chain(OUT, of("sigmoid"), of("identity"), loss="bce"),
        a_chain(OUT, of("hardsigmoid"), loss="bce"),
        a_chain(OUT, of("softmax"), loss="categorical_ce_probs"),
        a_chain(OUT, of("log_softmax"), loss="nll"),
        a_chain(OUT, of("log_softmax"), loss="kl_div"),
        a_chain(DENSE, of("sigmoid"), {"op": "select", "axis": 1, "index": 0}, loss="bce"),
        a_chain(OUT, loss="bce_with_logits"),
    ],
    "bounded_output": [
        a_chain(OUT, loss="mse"),
        a_chain(OUT, of("leaky_relu"), loss="mse"),
        a_chain(DENSE, RELU, OUT, loss="mse"),
        a_chain(OUT, of("tanh"), loss="cosine"),
    ],
    "consecutive_linear": [
        a_chain(DENSE, RELU, OUT),
        a_chain(DENSE, of("identity"), RELU, OUT),
        # Through 2 units between 4 and 3: a matrix of rank 2.
        a_chain(dense(2), OUT),
        a_chain(conv(filters=2, groups=2), conv(), of("flatten"), RELU, OUT, shape=(2, 2, 2)),
        a_chain({"op": "rnn", "units": 4}, OUT, shape=(3, 2), loss=None),
    ],
    "symmetric_start": [
        a_chain(DENSE, RELU, dense(3, init="zeros")),
        a_chain(dense(1, init="zeros"), RELU, OUT),
        a_chain(dense(8, init="orthogonal"), RELU, OUT),
        a_chain(dense(8, init={"kind": "normal", "std": 1e-3}), RELU, OUT),
        a_chain(dense(2, params={"W": np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.1]])}), RELU, OUT),
    ],
    "deep_saturation": [
        a_chain(*[DENSE, of("sigmoid")] * 4, OUT),
        # The last sigmoid makes probabilities, whose loss undoes its slope.
        a_chain(*[DENSE, of("sigmoid")] * 4, OUT, of("sigmoid"), loss="bce"),
        a_chain(*[DENSE, of("tanh")] * 10, OUT),
        a_chain(*[DENSE, of("relu")] * 30, OUT),
        a_chain(*[DENSE, of("sigmoid")] * 3, {"op": "layer_norm"}, *[DENSE, of("sigmoid")] * 3, OUT),
    ],
    "dropout_before_batch_norm": [
        a_chain(DENSE, NORM, RELU, drop(0.5), OUT),
        a_chain(DENSE, RELU, drop(0.0), NORM, OUT),
        a_chain(DENSE, RELU, drop(0.5), {"op": "layer_norm"}, OUT),
        a_chain(DENSE, RELU, drop(0.5), DENSE, RELU, NORM, OUT),
    ],
    "bias_before_batch_norm": [
        a_chain(NO_BIAS, NORM, RELU, OUT),
        a_chain(DENSE, RELU, NORM, OUT),
        a_chain(DENSE, {"op": "layer_norm"}, RELU, OUT),
        # Over (3, 8) batch_norm takes the 3 positions for channels, and the bias of a unit stays.
        a_chain(DENSE, NORM, RELU, of("flatten"), OUT, shape=(3, 4)),
    ],
    "dropout_on_output": [a_chain(DENSE, RELU, drop(0.1), OUT), a_chain(OUT, drop(0.0))],
}


@pytest.mark.parametrize(("code", "graph"), [(code, graph) for code, graphs in SPEAKS.items() for graph in graphs])
def test_a_rule_speaks_where_its_mistake_is(code: str, graph: Graph) -> None:
    assert code in codes(graph)


@pytest.mark.parametrize(
    ("code", "graph"), [(code, graph) for code, graphs in KEEPS_SILENT.items() for graph in graphs]
)
def test_a_rule_keeps_silent_near_its_mistake(code: str, graph: Graph) -> None:
    assert code not in codes(graph)


PLANNED = {"parameters_exceed_rows", "unusual_learning_rate"}


def test_every_rule_is_tested_on_both_sides() -> None:
    assert RULES.keys() == SPEAKS.keys() | PLANNED == KEEPS_SILENT.keys() | PLANNED


def test_advice_says_where_and_what_to_do_and_gives_its_source() -> None:
    graph = a_chain(DENSE, RELU, OUT, of("softmax"))
    advice = the(graph, "double_softmax")
    assert (advice.severity, advice.node, advice.pointer) == ("warning", "softmax_1", "/network/losses/0")
    assert advice.sentence.startswith("Leave out 'softmax_1'")
    assert advice.source is not None
    for graphs in SPEAKS.values():
        for one in (advice for graph in graphs for advice in advise(Situation(graph))):
            assert one.sentence.endswith(".") and one.sentence[0].isupper()
            assert one.source


def test_the_evidence_of_squashed_logits_is_the_surest_answer_they_can_give() -> None:
    """e / (e + 2) for a sigmoid and three classes, e² / (e² + 2) for a tanh, σ(1) for a yes."""
    surest = [
        the(a_chain(OUT, of("sigmoid")), "squashed_logits"),
        the(a_chain(OUT, of("tanh")), "squashed_logits"),
        the(a_chain(OUT, of("sigmoid"), loss="bce_with_logits"), "squashed_logits"),
    ]
    values = [advice.evidence.value for advice in surest if advice.evidence]
    assert values == pytest.approx([0.5761168847658291, 0.7869860421615985, 0.7310585786300049], rel=1e-12)
    assert the(a_chain(OUT, of("relu")), "squashed_logits").evidence is None


def test_the_product_of_slopes_is_that_of_the_best_way() -> None:
    evidence = the(a_chain(*[DENSE, of("sigmoid")] * 5, OUT), "deep_saturation").evidence
    assert evidence is not None
    assert evidence.value == 0.25**5
    assert codes(a_residual_chain(of("sigmoid"), blocks=8)) == []


def a_residual_chain(activation: Json, *, blocks: int) -> Graph:
    """Blocks of a dense layer and an activation, each added to what goes into it."""
    nodes: list[Json] = [{"id": "h0", "op": "dense", "units": 4, "inputs": ["x"]}]
    for level in range(blocks):
        nodes.append({**activation, "id": f"a{level}", "inputs": [f"h{level}"]})
        nodes.append({"id": f"d{level}", "op": "dense", "units": 4, "inputs": [f"a{level}"], "init": "zeros"})
        nodes.append({"id": f"h{level + 1}", "op": "add", "inputs": [f"h{level}", f"d{level}"]})
    nodes.append({"id": "y", "op": "dense", "units": 3, "inputs": [f"h{blocks}"]})
    network = {"inputs": {"x": {"shape": [4]}}, "nodes": nodes, "losses": [{"kind": "cross_entropy"}]}
    return build(Network.model_validate(network))


def test_a_branch_that_is_added_may_start_at_zero() -> None:
    assert codes(a_residual_chain(RELU, blocks=3)) == []


def test_dropout_right_before_batch_norm_weighs_more_than_a_layer_before() -> None:
    direct = the(a_chain(DENSE, RELU, drop(0.25), NORM, OUT), "dropout_before_batch_norm")
    through = the(a_chain(DENSE, RELU, drop(0.25), NO_BIAS, NORM, RELU, OUT), "dropout_before_batch_norm")
    assert (direct.severity, through.severity) == ("warning", "information")
    assert direct.evidence is not None
    assert direct.evidence.value == 0.75


@pytest.mark.parametrize(("rows", "speaks"), [(1, True), (8, True), (9, False), (100, False)])
def test_parameters_are_too_many_above_a_hundred_a_row(rows: int, speaks: bool) -> None:
    """4 · 100 + 100 + 100 · 3 + 3 = 803 parameters, so 100.4 a row for 8 rows and 89.2 for 9."""
    graph = a_chain(dense(100), RELU, OUT)
    assert ("parameters_exceed_rows" in codes(graph, TrainingPlan(rows, Adam()))) == speaks


@pytest.mark.parametrize(
    ("graph", "optimizer"),
    [
        (a_chain(dense(100), RELU, OUT, penalties=[{"kind": "l2", "strength": 0.1}]), {"kind": "adam"}),
        (a_chain(dense(100), RELU, drop(0.5), OUT), {"kind": "adam"}),
        (a_chain(dense(100), RELU, OUT), {"kind": "sgd", "weight_decay": 0.1}),
    ],
)
def test_parameters_that_are_held_back_are_never_too_many(graph: Graph, optimizer: Json) -> None:
    plan = TrainingPlan(1, OPTIMIZERS[optimizer["kind"]].model_validate(optimizer))
    assert codes(graph, plan) == []


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_usual_rates_of_an_optimizer_hold_its_default_and_are_told_apart_from_others(kind: str) -> None:
    graph, rule = a_chain(DENSE, RELU, OUT), OPTIMIZERS[kind]
    low, high = rule.usual_rates

    def found(rate: float) -> str | None:
        plan = TrainingPlan(1000, rule.model_validate({}).model_copy(update={"learning_rate": rate}))
        return next((one.severity for one in advise(Situation(graph, plan))), None)

    assert low < rule.model_validate({}).learning_rate < high
    assert [found(rate) for rate in (low, high)] == [None, None]
    assert [found(rate) for rate in (0.9 * low, 1.1 * high)] == ["information", "information"]
    assert [found(rate) for rate in (0.09 * low, 11 * high)] == ["warning", "warning"]


HEALTHY = {
    "one layer": a_chain(OUT),
    "two hidden": a_chain(DENSE, RELU, DENSE, RELU, OUT),
    "deep tanh": a_chain(*[DENSE, of("tanh")] * 10, OUT),
    "deep selu": a_chain(*[dense(8, init="lecun_normal"), of("selu")] * 10, OUT),
    "yes or no": a_chain(DENSE, of("sigmoid"), dense(1), loss="bce_with_logits"),
    "probabilities": a_chain(DENSE, RELU, dense(1), of("sigmoid"), loss="bce"),
    "numbers": a_chain(DENSE, of("gelu"), dense(1), loss="mse"),
    "counts": a_chain(DENSE, RELU, dense(1), loss="poisson_nll"),
    "log_softmax": a_chain(DENSE, RELU, OUT, of("log_softmax"), loss="nll"),
    "normalized": a_chain(NO_BIAS, NORM, RELU, drop(0.5), OUT),
    "deep normalized": a_chain(*[NO_BIAS, NORM, of("sigmoid")] * 8, OUT),
    "convolutions": a_chain(conv(), RELU, {"op": "max_pool2d", "kernel": 2}, of("flatten"), OUT, shape=(1, 4, 4)),
    "sequence": a_chain({"op": "lstm", "units": 4}, {"op": "select", "axis": 1, "index": -1}, OUT, shape=(5, 2)),
    "residual": a_residual_chain(RELU, blocks=5),
    "of the README": a_chain(dense(16), of("tanh"), drop(0.1), OUT),
    "of the benchmark": a_chain(dense(512), RELU, dense(512), RELU, dense(10), shape=(784,)),
    "of the README, images": a_chain(
        conv(kernel=3, padding=1),
        RELU,
        {"op": "max_pool2d", "kernel": 2},
        conv(kernel=3, padding=1),
        RELU,
        {"op": "max_pool2d", "kernel": 2},
        of("flatten"),
        dense(10),
        shape=(1, 8, 8),
    ),
    "no loss": a_chain(DENSE, RELU, OUT, of("softmax"), loss=None),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_networks_get_no_advice(name: str) -> None:
    assert codes(HEALTHY[name], TrainingPlan(20_000, Adam())) == []


@pytest.mark.parametrize(("encoding", "width"), [("class", 3), ("binary", 1), ("number", 1)])
def test_the_network_of_a_job_that_names_none_gets_no_advice(encoding: Any, width: int) -> None:
    around = Surroundings(inputs={"x": InputSpec(shape=[4])}, widths={"y": width}, losses=(default_loss(encoding),))
    assert codes(build(default_network(20), around), TrainingPlan(20, Adam())) == []


def test_of_the_reference_networks_only_those_that_have_a_mistake_get_advice() -> None:
    found = {}
    for case in cases():
        graph = build(Network.model_validate(request_of(case)["subject"]["network"]))
        if told := codes(graph):
            found[case["name"]] = told
    assert found == {
        "depthwise_separable_conv_transpose": ["consecutive_linear"],
        "mlp_sigmoid_half_sse": ["bounded_output"],
        "deep_sigmoid_vanishing": ["deep_saturation"],
        "softmax_layer_mse": ["bounded_output"],
        "batchnorm_eval": ["bias_before_batch_norm"],
    }


def test_a_chain_of_one_mistake_is_not_told_of_a_thousand_times() -> None:
    advice = advise(Situation(a_chain(*[DENSE] * 1000, OUT)))
    assert len(advice) == 20
    assert advice[-1].sentence.endswith("The same holds of 980 more nodes.")


def test_warnings_come_first() -> None:
    graph = a_chain(DENSE, NORM, RELU, OUT, of("softmax"))
    assert [one.severity for one in advise(Situation(graph))] == ["warning", "information"]
