"""What in an example made the network say what it says?"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, get_args

import numpy as np
from pydantic import Field

from core.arrays import Array, Model
from core.data.features import FeaturePreparation
from core.data.preparation import Preparation
from core.errors import Invalid, Problem, pointer
from core.inspection.attributed import Attribution, Numbers, completeness_of, numbers
from core.inspection.baselines import MOST_BASELINES, Baseline, Given, baseline_of, baselines_of, check_stack
from core.inspection.batch import TWO_TWO_TWO, BatchQuestion, refuse_parts
from core.inspection.effort import MOST_OPERATIONS, effort_of_pass, refuse_beyond_patience
from core.inspection.explained import Explained, check_place, combined
from core.inspection.occlusion import count_of, occlusions, parts_of
from core.inspection.output_gradient import Choice, OutputChoice, OutputView, choose, view_of, without_loss
from core.inspection.paths import FIRST_STEPS, PathRule, Summed, integrated_gradients
from core.inspection.question import History, Library
from core.inspection.rescale import rescaled_contributions, without_rule
from core.inspection.tensors import NonFinite, Shown, non_finite
from core.op import Name

Method = Literal[
    "saliency",
    "gradient_times_input",
    "integrated_gradients",
    "smoothgrad",
    "expected_gradients",
    "deeplift",
    "occlusion",
]

MOST_STEPS = 4096
MOST_SAMPLES = 1000


class AttributionAnswer(Model):
    """Attributions of one output of each example; what was not asked for, or does not apply, is absent."""

    output: OutputView
    at: list[str]
    """The inputs, or the node, that the output is explained by."""

    methods: dict[Method, Attribution]
    left_out: dict[Method, str]
    """Methods that do not apply here, and why; only where no method was named."""

    non_finite: list[NonFinite]
    """Every array here with an infinity or a NaN in it."""


class AttributionQuestion(BatchQuestion):
    """One output f of each example, attributed to its inputs x, in evaluation mode.

    `saliency` |∂f/∂x| · `gradient_times_input` x ∂f/∂x · `integrated_gradients` (x − x₀) ∫ ∂f/∂x along the straight
    path from the baseline x₀ · `smoothgrad` the mean of ∂f/∂x at x + noise · `expected_gradients` integrated
    gradients, averaged over baselines · `deeplift` the rescale rule · `occlusion` f(x) − f(x with a part at x₀).
    """

    question: Literal["attribution"] = "attribution"

    example: ClassVar[Mapping[str, Any]] = {**TWO_TWO_TWO, "output": 0}

    sentence: ClassVar[str] = "What in an example made the network say what it says?"

    methods: Annotated[list[Method], Field(min_length=1, max_length=10)] | None = None
    """Left out, all that apply."""

    output: Choice = OutputChoice()
    """What is explained: left out, the predicted class or the only output; before the softmax if the loss takes
    logits."""

    at: Name | None = None
    """A node whose value, instead of the inputs, the output is explained by, such as an embedding."""

    baseline: Baseline = "zeros"
    """`zeros`; the `mean` of the training rows of a model, as the network gets them (of at most 1,000, in equal
    distances); or arrays by input."""

    steps: Annotated[int, Field(ge=1, le=MOST_STEPS)] | None = None
    """Steps along each path; left out, they are doubled until the gap is at most 1 %."""

    rule: PathRule = "gauss_legendre"
    """How the integral along a path is summed."""

    noise: Given | None = None
    """For `smoothgrad`: s arrays of the shape of one example, by input; left out, they are drawn."""

    samples: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] = 20
    """Draws of noise, and training rows that serve as baselines, where these are not given."""

    deviation: Annotated[float, Field(gt=0, le=1e6)] = 0.1
    """Standard deviation of drawn noise, in the units of what the network gets."""

    baselines: Given | None = None
    """For `expected_gradients`: b arrays of the shape of one example, by input; left out, rows of the training split
    of a model."""

    patch: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=8)] | None = None
    """For `occlusion`: sizes along the last axes of what is hidden at once, all other axes together; left out, each
    entry is hidden by itself."""

    stride: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=8)] | None = None
    """By how much a patch moves; left out, by its size."""

    def work(self, library: Library) -> float:
        """The passes of the methods, with 64 steps where their number is found out. Raises Invalid."""
        return _Methods(self, library).effort(self.methods or list(get_args(Method)), steps=self.steps or 64)

    def answer(self, library: Library) -> AttributionAnswer:
        """Raises Invalid."""
        asked = _Methods(self, library)
        found: dict[Method, Attribution] = {}
        left_out: dict[Method, str] = {}
        for method in dict.fromkeys(self.methods or get_args(Method)):
            problems = asked.obstacles(method)
            if problems and self.methods is None:
                left_out[method] = problems[0].detail
            elif problems:
                raise Invalid(problems)
            else:
                found[method] = asked.answer(method)
        return AttributionAnswer(
            output=view_of(
                asked.explained.output,
                asked.explained.posed.graph,
                asked.explained.value_at_point,
                asked.preparation,
            ),
            at=list(asked.explained.point),
            methods=found,
            left_out=left_out,
            non_finite=non_finite(asked.arrays),
        )


class _Methods:
    """The methods of one question, which share the point, the baseline and the data set."""

    def __init__(self, question: AttributionQuestion, library: Library) -> None:
        _check_form(question)
        posed = question.pose(library)
        output = choose(posed, question.output, "/output")
        check_place(posed, question.at, output.node)
        self.question = question
        self.explained = Explained(without_loss(posed), output, question.at)
        self.arrays: list[tuple[str, Array]] = []
        model = question.subject.model
        self.preparation: Preparation | None = None if model is None else library.model(model).preparation
        self._history: Callable[[], History] | None = None if model is None else partial(library.history, model)
        _check_parts(question, self.explained)
        for member, most in (("noise", MOST_SAMPLES), ("baselines", MOST_BASELINES)):
            if (given := getattr(question, member)) is not None:
                check_stack(self.explained, given, member, most)
        history = self._history() if question.baseline == "mean" and self._history is not None else None
        self.baseline = baseline_of(self.explained, question.baseline, history)
        self._baselines: list[dict[str, Array]] | None = None

    def baselines(self) -> list[dict[str, Array]]:
        """Those of expected gradients. Raises Invalid."""
        if self._baselines is None:
            question = self.question
            needs_history = question.baselines is None and self._history is not None
            self._baselines = baselines_of(
                self.explained,
                question.baselines,
                self._history() if needs_history and self._history is not None else None,
                samples=question.samples,
                seed=question.seed,
            )
        return self._baselines

    def obstacles(self, method: Method) -> list[Problem]:
        """Why a method does not apply, or would take too long."""
        index = (self.question.methods or []).index(method) if self.question.methods else 0
        place = pointer("methods", index)
        if method == "deeplift":
            posed = self.explained.posed
            nodes = without_rule(posed.graph, self.explained.point, self.explained.output.node)
            if nodes:
                names = ", ".join(f"{node.id!r} ({node.op.op})" for node in nodes[:10])
                detail = f"the rescale rule is for ops that are affine or act on each entry alone, unlike {names}"
                return [Problem(place, detail)]
        try:
            if method == "expected_gradients":
                self.baselines()
            refuse_beyond_patience(
                self.effort([method], steps=self.question.steps or FIRST_STEPS),
                place,
                "ask for fewer examples, steps, samples or parts",
            )
        except Invalid as error:
            return list(error.problems)
        return []

    def effort(self, methods: list[Method], *, steps: int) -> float:
        """Operations of some methods."""
        graph, rows = self.explained.posed.graph, self.explained.rows
        forward, both = (effort_of_pass(graph, rows, backward=backward) for backward in (False, True))
        question = self.question
        samples = question.samples if question.noise is None else len(next(iter(question.noise.values())))
        given = question.baselines
        starts = question.samples if given is None else next(iter(given.values())).shape[0]
        parts = count_of(self.explained.shapes, question.patch, question.stride)
        passes: dict[Method, float] = {
            "saliency": both,
            "gradient_times_input": both,
            "integrated_gradients": steps * both,
            "smoothgrad": samples * both,
            "expected_gradients": starts * steps * both,
            "deeplift": 2 * both,
            "occlusion": parts * forward,
        }
        return sum(passes[method] for method in methods)

    def answer(self, method: Method) -> Attribution:
        """What one method finds."""
        match method:
            case "saliency":
                gradient = self.explained.gradient(self.explained.point)
                sizes = {name: np.abs(array) for name, array in gradient.items()}
                return self._shown(method, sizes, gradient=self._arrays(method, gradient, "gradient"))
            case "gradient_times_input":
                gradient = self.explained.gradient(self.explained.point)
                return self._shown(method, combined(gradient, self.explained.point, np.multiply), adds_up=True)
            case "integrated_gradients":
                return self._of_path(method, [self.baseline], self._baseline_name)
            case "expected_gradients":
                given = self.question.baselines is not None
                name = "each of those given" if given else "rows of the training split, drawn from the seed"
                return self._of_path(method, self.baselines(), name, samples=len(self.baselines()))
            case "smoothgrad":
                return self._smoothgrad(method)
            case "deeplift":
                found = rescaled_contributions(self.explained, self.baseline)
                difference = self.explained.value_at_point - self.explained.value(self.baseline)
                summed = Summed(found, difference, 1, converged=True)
                return self._shown(
                    method, found, adds_up=True, baseline=self._baseline_name, completeness=completeness_of(summed)
                )
            case "occlusion":
                parts = parts_of(self.explained.shapes, self.question.patch, self.question.stride)
                found = occlusions(self.explained, self.baseline, parts)
                count = count_of(self.explained.shapes, self.question.patch, self.question.stride)
                return self._shown(method, found, baseline=self._baseline_name, samples=count)

    def _of_path(
        self, method: Method, baselines: list[dict[str, Array]], name: str, samples: int | None = None
    ) -> Attribution:
        question = self.question
        most = min(MOST_STEPS, int(MOST_OPERATIONS / self.effort([method], steps=1)))
        summed = integrated_gradients(self.explained, baselines, question.rule, steps=question.steps, most=most)
        return self._shown(
            method,
            summed.attributions,
            adds_up=True,
            baseline=name,
            completeness=completeness_of(summed),
            rule=question.rule,
            steps=summed.steps,
            converged=summed.converged,
            samples=samples,
        )

    def _smoothgrad(self, method: Method) -> Attribution:
        """Source: Smilkov et al. 2017, "SmoothGrad", and its square: Hooker et al. 2019, section 4."""
        mean = {name: np.zeros_like(array) for name, array in self.explained.point.items()}
        square = {name: np.zeros_like(array) for name, array in mean.items()}
        noises = self._noises()
        for noise in noises:
            gradient = self.explained.gradient(combined(self.explained.point, noise, np.add))
            with np.errstate(all="ignore"):
                for name, array in gradient.items():
                    mean[name] += array / len(noises)
                    square[name] += np.square(array) / len(noises)
        return self._shown(method, mean, mean_square=self._arrays(method, square, "mean_square"), samples=len(noises))

    def _noises(self) -> list[Mapping[str, Array]]:
        """Given ones are for every example alike; drawn ones differ from example to example."""
        question, point = self.question, self.explained.point
        if question.noise is not None:
            count = len(next(iter(question.noise.values())))
            return [{name: array[draw][None] for name, array in question.noise.items()} for draw in range(count)]
        generator = np.random.default_rng([question.seed, *b"smoothgrad"])
        return [
            {name: question.deviation * generator.standard_normal(array.shape) for name, array in point.items()}
            for _ in range(question.samples)
        ]

    @property
    def _baseline_name(self) -> str:
        return self.question.baseline if isinstance(self.question.baseline, str) else "given"

    def _shown(
        self, method: Method, found: Mapping[str, Array], *, adds_up: bool = False, **others: object
    ) -> Attribution:
        shown = self._arrays(method, found, "attributions")
        columns = self._by_column(found) if adds_up else None
        return Attribution.model_validate({"attributions": shown, "by_column": columns, **others})

    def _arrays(self, method: Method, found: Mapping[str, Array], member: str) -> dict[str, Shown]:
        self.arrays += [(pointer("methods", method, member, name), array) for name, array in found.items()]
        return dict(found)

    def _by_column(self, found: Mapping[str, Array]) -> dict[str, Numbers] | None:
        if self.preparation is None or self.question.at is not None:
            return None
        columns: dict[str, Numbers] = {}
        for name, array in found.items():
            prepared = self.preparation.inputs[name]
            if isinstance(prepared, FeaturePreparation):
                flat = array.reshape(len(array), -1)
                start = 0
                for feature in prepared.features:
                    part = flat[:, start : start + len(feature.names)].sum(axis=1)
                    columns[feature.column] = numbers(part)
                    start += len(feature.names)
        return columns or None


MEMBERS: Mapping[str, tuple[Method, ...]] = {
    "baseline": ("integrated_gradients", "deeplift", "occlusion"),
    "steps": ("integrated_gradients", "expected_gradients"),
    "rule": ("integrated_gradients", "expected_gradients"),
    "noise": ("smoothgrad",),
    "deviation": ("smoothgrad",),
    "samples": ("smoothgrad", "expected_gradients"),
    "baselines": ("expected_gradients",),
    "patch": ("occlusion",),
    "stride": ("occlusion",),
}
"""The methods that read a member of the request."""


def _check_form(question: AttributionQuestion) -> None:
    """Raise Invalid for members that no method would read."""
    refuse_parts(question)
    problems = []
    if question.mode == "training":
        detail = "attributions are of what the network says in use, where no example depends on another"
        problems.append(Problem("/mode", detail, allowed=["evaluation"]))
    for member, readers in MEMBERS.items():
        if question.methods and member in question.model_fields_set and not set(readers) & set(question.methods):
            problems.append(Problem(f"/{member}", f"is for {' and '.join(readers)}, none of which is asked for"))
    if problems:
        raise Invalid(problems)


def _check_parts(question: AttributionQuestion, explained: Explained) -> None:
    """Raise Invalid for a patch that does not fit what is hidden."""
    patch, stride = question.patch, question.stride
    problems = []
    if stride is not None and (patch is None or len(stride) != len(patch)):
        problems.append(Problem("/stride", "is for a `patch`, and has as many numbers"))
    elif stride is not None and patch is not None and any(s > p for s, p in zip(stride, patch, strict=True)):
        problems.append(Problem("/stride", "must not be larger than the patch, or entries would never be hidden"))
    for name, shape in explained.shapes.items() if patch is not None else ():
        if patch is not None and (
            len(patch) > len(shape) or any(p > s for p, s in zip(patch[::-1], shape[::-1], strict=False))
        ):
            problems.append(Problem("/patch", f"must fit into the last axes of {name!r}, of shape {list(shape)}"))
    if problems:
        raise Invalid(problems)
