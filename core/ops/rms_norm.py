"""Root-mean-square normalization."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Call, Shape, call
from core.op import Op, ParameterShape, ShapeMismatch, Site
from core.per_example import ExampleGradients, Whole, by_position
from core.standardized import feature_sum, standardize, standardized_slope, times_standard


class RmsNorm(Op):
    """y = gamma · x / √(mean x² + eps) over the last axis of an example, which is (d,) or (…, d).

    gamma (d,) starts at 1, and penalties leave it out.

    Source: Zhang & Sennrich 2019, "Root mean square layer normalization", equation 4.
    """

    op: Literal["rms_norm"] = "rms_norm"

    eps: Annotated[float, Field(ge=1e-30, le=1)] = 1e-6
    """Added to the mean square, so that zeros stay 0."""

    normalizes: ClassVar[bool] = True
    explanation: ClassVar[str] = (
        "Divides the features of each example by their root mean square, then scales them: "
        "y = gamma x / √(mean x² + eps)."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,)]), (cls(eps=0.1), [(2, 4)]), (cls(), [(2, 1, 3)])]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        (shape,) = inputs
        if not shape:
            raise ShapeMismatch("needs an input with at least one axis, along which it takes the mean square")
        return shape

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, ParameterShape]:
        width = inputs[0][-1]
        return {"gamma": ParameterShape((width,), width, width, is_bias=True, start=1.0)}

    def forward(self, site: Site) -> Sequence[Call]:
        standard, calls = standardize(site.x[0], site, self.eps, centers=False)
        return [*calls, call(np.multiply, standard, site.params["gamma"][:, None], site.y)]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        (dx,), dgamma = site.dx, site.dparams["gamma"]
        product, multiply = times_standard(site.dy, site)
        calls: list[Call] = [multiply]
        if dgamma is not None:
            calls += feature_sum(product, dgamma, site)
        if dx is not None:
            gain = site.params["gamma"][:, None]
            calls.append(call(np.multiply, site.dy, gain, dx))
            calls += standardized_slope(site.dy, dx, gain, site, centers=False)
        return calls

    def example_gradients(self, site: Site) -> Mapping[str, ExampleGradients]:
        assert site.dy is not None
        product, multiply = times_standard(site.dy, site)
        multiply()
        gain = Whole(by_position(product).sum(axis=1))
        return {"gamma": gain}

    def flops(self, inputs: Sequence[Shape]) -> int:
        return 5 * super().flops(inputs)
