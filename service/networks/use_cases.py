"""What is wrong with a network, or what it amounts to."""

from core.graph.build import Surroundings, build
from core.graph.summary import summarize
from core.graph.written import network_json, written_out
from core.network import Network
from service.networks.schemas import CheckedNetwork, NetworkToCheck


def check(asked: NetworkToCheck, max_parameters: int) -> CheckedNetwork:
    """The network written out, with shapes and sizes; nothing is allocated for it.

    Raises Invalid with every mistake.
    """
    network = Network.model_construct(**{name: getattr(asked, name) for name in Network.model_fields})
    around = Surroundings(
        widths=asked.targets,
        losses=(asked.loss,) if asked.loss is not None and network.losses is None else (),
        max_parameters=max_parameters,
    )
    graph = build(network, around)
    return CheckedNetwork(network=network_json(written_out(graph)), **dict(summarize(graph)))
