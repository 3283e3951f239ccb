"""What is wrong with a network, or what it amounts to."""

from core.advice import Advice, Situation, TrainingPlan, advise
from core.errors import Invalid, Problem
from core.graph.build import Surroundings, build
from core.graph.graph import Graph
from core.graph.summary import summarize
from core.graph.written import network_json, written_out
from core.network import Network
from core.training.memory import RunMemory, memory_of
from service.networks.schemas import CheckedNetwork, NetworkToCheck

MOST_NODES = 2000
"""Nodes of a network whose memory is told: small plans of it are made to see what it takes."""


def check(asked: NetworkToCheck, max_parameters: int) -> CheckedNetwork:
    """The network written out, with shapes and sizes; nothing of its size is allocated.

    Raises Invalid with every mistake.
    """
    network = Network.model_construct(**{name: getattr(asked, name) for name in Network.model_fields})
    around = Surroundings(
        widths=asked.targets,
        losses=(asked.loss,) if asked.loss is not None and network.losses is None else (),
        max_parameters=max_parameters,
    )
    graph = build(network, around)
    written = network_json(written_out(graph))
    memory, advice = _memory(asked, graph), _advice(asked, graph)
    return CheckedNetwork(network=written, advice=advice, memory=memory, **dict(summarize(graph)))


def _advice(asked: NetworkToCheck, graph: Graph) -> list[Advice]:
    plan = asked.training
    return advise(Situation(graph, None if plan is None else TrainingPlan(plan.rows, plan.optimizer)))


def _memory(asked: NetworkToCheck, graph: Graph) -> RunMemory | None:
    plan = asked.training
    if plan is None:
        return None
    if not graph.losses:
        raise Invalid([Problem("/training", "a run needs something to make small: give `loss`, or `losses`")])
    if len(graph.nodes) > MOST_NODES:
        detail = f"the memory of a run is told for networks of up to {MOST_NODES} nodes; this has {len(graph.nodes)}"
        raise Invalid([Problem("/training", detail)])
    return memory_of(
        graph,
        plan.optimizer,
        rows=plan.rows,
        validation_rows=plan.validation_rows,
        batch_size=plan.batch_size,
        dtype=plan.dtype,
        statistics=plan.statistics,
    )
