"""Layer normalization."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Call, Shape, call
from core.op import Op, ParameterShape, ShapeMismatch, Site
from core.per_example import ExampleGradients, Whole, by_position
from core.standardized import feature_sum, standardize, standardized_slope, times_standard


class LayerNorm(Op):
    """y = gamma · (x − mean x) / √(var x + eps) + beta over the last axis of an example, which is (d,) or (…, d).

    The variance is the biased one. gamma and beta (d,) start at 1 and 0, and penalties leave both out.

    Source: Ba, Kiros & Hinton 2016, "Layer normalization", equation 4.
    """

    op: Literal["layer_norm"] = "layer_norm"

    eps: Annotated[float, Field(ge=1e-30, le=1)] = 1e-5
    """Added to the variance, so that equal numbers become 0."""

    normalizes: ClassVar[bool] = True
    explanation: ClassVar[str] = (
        "Brings the features of each example to mean 0 and variance 1, then scales and shifts them: "
        "y = gamma (x − mean) / √(variance + eps) + beta."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,)]), (cls(eps=0.1), [(2, 4)]), (cls(), [(2, 1, 3)])]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        (shape,) = inputs
        if not shape:
            raise ShapeMismatch("needs an input with at least one axis, along which it takes mean and variance")
        return shape

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, ParameterShape]:
        width = inputs[0][-1]
        return {
            "gamma": ParameterShape((width,), width, width, is_bias=True, start=1.0),
            "beta": ParameterShape((width,), width, width, is_bias=True),
        }

    def forward(self, site: Site) -> Sequence[Call]:
        gamma, beta, y = site.params["gamma"], site.params["beta"], site.y
        standard, calls = standardize(site.x[0], site, self.eps, centers=True)
        return [*calls, call(np.multiply, standard, gamma[:, None], y), call(np.add, y, beta[:, None], y)]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        (dx,), dgamma, dbeta = site.dx, site.dparams["gamma"], site.dparams["beta"]
        product, multiply = times_standard(site.dy, site)
        calls: list[Call] = [multiply]
        if dgamma is not None:
            calls += feature_sum(product, dgamma, site)
        if dbeta is not None:
            calls += feature_sum(site.dy, dbeta, site)
        if dx is not None:
            gain = site.params["gamma"][:, None]
            calls.append(call(np.multiply, site.dy, gain, dx))
            calls += standardized_slope(site.dy, dx, gain, site, centers=True)
        return calls

    def example_gradients(self, site: Site) -> Mapping[str, ExampleGradients]:
        assert site.dy is not None
        product, multiply = times_standard(site.dy, site)
        multiply()
        gain = Whole(by_position(product).sum(axis=1))
        return {"gamma": gain, "beta": Whole(by_position(site.dy).sum(axis=1))}

    def flops(self, inputs: Sequence[Shape]) -> int:
        return 8 * super().flops(inputs)
