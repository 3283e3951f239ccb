"""Which columns feed which input of the network, and which make which target of its losses."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from core.arrays import Shape
from core.data.choice import Choice, choose, choose_others
from core.data.preparation import InputPlan, TargetPlan
from core.data.shaped import ChannelAxis
from core.data.table import Table
from core.data.task import choose_encoding
from core.errors import Invalid, Problem, pointer
from core.experiment.spec import ExperimentSpec
from core.loss import Loss
from core.network import ONLY_INPUT, ONLY_TARGET, InputSpec, Network
from core.op import Op


class Feed(NamedTuple):
    """What feeds every input, and the columns that feed none and why."""

    plans: dict[str, InputPlan]
    left_out: dict[str, str]


def stated_losses(spec: ExperimentSpec) -> list[Loss]:
    """The loss terms that are written down, the network's or the job's. Raises Invalid when both bring some."""
    own = spec.network.losses if spec.network is not None else None
    if own and spec.loss is not None:
        raise Invalid([Problem("/loss", "the network brings its own `losses`; leave one of the two out")])
    return list(own) if own else [spec.loss] if spec.loss is not None else []


def plan_targets(spec: ExperimentSpec, table: Table, losses: Iterable[Loss]) -> dict[str, TargetPlan]:
    """The columns of each target, in the order of the losses, and what the losses take them for.

    Raises Invalid, at `/target`, `/target/1`, or `/target/q` with several targets.
    """
    judges: dict[str, list[Loss]] = {}
    for loss in losses:
        judges.setdefault(loss.target or ONLY_TARGET, []).append(loss)
    choices = _choose_targets(spec, table, list(judges) or [ONLY_TARGET])
    return {name: _plan_target(table, choice, judges.get(name, [])) for name, choice in choices.items()}


def _plan_target(table: Table, choice: Choice, losses: list[Loss]) -> TargetPlan:
    """The first loss decides what the columns are turned into; units are free if all of them let them be."""
    kind = losses[0].kind if losses else None
    encoding = choose_encoding([table.column(name) for name in choice.columns], kind)
    return TargetPlan(choice, encoding, has_free_units=all(loss.has_free_units for loss in losses))


def _choose_targets(spec: ExperimentSpec, table: Table, names: list[str]) -> dict[str, Choice]:
    if not isinstance(spec.target, dict):
        if len(names) > 1:
            detail = "the losses compare with several targets: give an object that says of each which columns it is"
            raise Invalid([Problem("/target", detail, allowed=[*names])])
        return {names[0]: choose(table, spec.target, "/target")}
    problems = [
        Problem(pointer("target", name), "no loss compares with a target of this name", allowed=[*names])
        for name in spec.target
        if name not in names
    ]
    problems += [
        Problem(pointer("target", name), "is missing: a loss compares with this target")
        for name in names
        if name not in spec.target
    ]
    choices = _choose_each(table, spec.target, problems, member="target")
    return {name: choices[name] for name in names}


def _choose_each(
    table: Table,
    stated: Mapping[str, str | Sequence[str]],
    problems: list[Problem],
    *,
    member: str,
    targets: Collection[str] = (),
) -> dict[str, Choice]:
    """The choice of every name. Raises Invalid with the problems that there were before, and its own."""
    choices: dict[str, Choice] = {}
    for name, columns in stated.items():
        try:
            choices[name] = choose(table, columns, pointer(member, name), targets=targets)
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid(problems)
    return choices


def plan_inputs(spec: ExperimentSpec, table: Table, targets: Collection[str], losses: Iterable[Loss]) -> Feed:
    """The columns that feed each input and the shape it takes.

    Raises Invalid, at `/features`, `/features/2`, or `/features/x/2` with several inputs.
    """
    weights = {loss.sample_weight for loss in losses if isinstance(loss.sample_weight, str)}
    choices, left_out = _choose_features(spec, table, targets, weights)
    return Feed({name: _plan_input(spec, name, choice) for name, choice in choices.items()}, left_out)


def _choose_features(
    spec: ExperimentSpec, table: Table, targets: Collection[str], weights: Collection[str]
) -> tuple[dict[str, Choice], dict[str, str]]:
    names = _input_names(spec.network)
    if isinstance(spec.features, dict):
        return _choose_by_name(spec, table, targets, names), {}
    if names is not None and len(names) > 1:
        detail = "the network has several inputs: give an object that says of each which columns feed it"
        raise Invalid([Problem("/features", detail, allowed=[*names])])
    (name,) = names or [_only_name(spec.network)]
    if spec.features is not None:
        return {name: choose(table, spec.features, "/features", targets=targets)}, {}
    others, left_out = choose_others(table, {*targets, *weights}, "/features")
    return {name: others}, left_out


def _choose_by_name(
    spec: ExperimentSpec, table: Table, targets: Collection[str], names: list[str] | None
) -> dict[str, Choice]:
    """The columns of each input; where no `inputs` name them, those are the inputs that are named here."""
    assert isinstance(spec.features, dict)
    problems: list[Problem] = []
    if names is None and (spec.network is None or spec.network.layers is not None) and len(spec.features) > 1:
        what = "a network of layers" if spec.network is not None else "the network that is taken when none is given"
        problems.append(Problem("/features", f"{what} has one input; use nodes for several"))
    for name in names or ():
        if name not in spec.features:
            problems.append(Problem(pointer("features", name), "is missing: the network has an input of this name"))
    for name in spec.features:
        if names is not None and name not in names:
            detail = "the network has no input of this name"
            problems.append(Problem(pointer("features", name), detail, allowed=[*names]))
    return _choose_each(table, spec.features, problems, member="features", targets=targets)


def _input_names(network: Network | None) -> list[str] | None:
    """The inputs that the network declares; None where it leaves them to the data."""
    return None if network is None or network.inputs is None else list(network.inputs)


def _only_name(network: Network | None) -> str:
    """The one name that nodes refer to and no node has; `x` where that does not decide it."""
    nodes = (network.nodes if network is not None else None) or ()
    known = {node.id for node in nodes}
    unknown = list(dict.fromkeys(name for node in nodes for name in node.inputs or () if name not in known))
    return unknown[0] if len(unknown) == 1 else ONLY_INPUT


def _plan_input(spec: ExperimentSpec, name: str, choice: Choice) -> InputPlan:
    """What an input takes: as it is declared, or in the shape of the group that feeds it.

    The network that is taken when none is given looks at one column beside another, whatever group they are.
    """
    network = spec.network
    if network is None:
        return InputPlan(choice)
    readers = _readers(network, name)
    declared = (network.inputs or {}).get(name)
    if declared is not None:
        place = pointer("network", "inputs", name, "shape")
        axis = channel_axis(declared.axes, readers)
        return InputPlan(choice, declared.axes, place, declared.dtype, axis)
    # Columns of whole numbers, such as token ids, are a sequence whether or not they are a group.
    if readers and all(op.takes_integers for op in readers):
        return InputPlan(choice, (len(choice.columns),) if choice.group is None else choice.group.shape, dtype="int")
    if choice.group is None:
        return InputPlan(choice)
    return InputPlan(choice, choice.group.shape, axis=channel_axis(choice.group.shape, readers))


def channel_axis(shape: Shape, readers: Iterable[Op]) -> ChannelAxis:
    """The axis of different units, for an input that these ops read.

    It is the first of images (c, h, w), and of (c, L) where an op that counts channels reads it, such as a convolution;
    and the last of sequences (L, d), except for (1, L), which is a sequence of single numbers.
    """
    if len(shape) != 2 or shape[0] == 1 or any(op.reads_channels for op in readers):
        return "first"
    return "last"


def _readers(network: Network, name: str) -> list[Op]:
    """The ops that an input feeds."""
    if network.layers is not None:
        return [*network.layers[:1]]
    return [node for node in network.nodes or () if name in (node.inputs or ())]


def input_specs(plans: Mapping[str, InputPlan], widths: Mapping[str, int]) -> dict[str, InputSpec]:
    """The inputs as a network declares them; those of no shape are as wide as what feeds them."""
    return {
        name: InputSpec(shape=[widths[name]] if plan.shape is None else list(plan.shape), dtype=plan.dtype)
        for name, plan in plans.items()
    }
