"""One case prepared for one peer: a call that trains some whole epochs, and how many.

The parts of a peer that is not installed are imported only when it is asked for.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from core.graph.build import Surroundings, build
from core.losses.bce_with_logits import BceWithLogits
from core.losses.cross_entropy import CrossEntropy
from core.network import InputSpec, Network
from core.training.examples import Examples
from core.training.run import Run
from core.training.spec import TrainingSpec
from tests.bench.cases import FILTERS, IMAGE, Case, Prepared, rows_of, starting_layers
from tests.bench.jax_peer import jax_epochs, jax_steps


def ours(case: Case) -> Prepared:
    events: Iterator[object] = our_run(case).events()
    return lambda: next(events), 1


def our_run(case: Case, **told: object) -> Run:
    """A run of a case before its first step, and what else it is told."""
    x, classes = rows_of(case)
    layers: list[dict[str, object]] = []
    for weights, bias in starting_layers(case):
        params = {"W": weights, "b": bias}
        if weights.ndim == 4:
            convolution = {"op": "conv2d", "filters": len(bias), "kernel": 3, "padding": 1, "params": params}
            layers += [convolution, {"op": case.activation}, {"op": "max_pool2d", "kernel": 2}]
            continue
        flatten: list[dict[str, object]] = [{"op": "flatten"}] if layers and layers[-1]["op"] == "max_pool2d" else []
        layers += [*flatten, {"op": "dense", "units": len(bias), "params": params}, {"op": case.activation}]
    loss = BceWithLogits() if case.is_binary else CrossEntropy()
    around = Surroundings(inputs={"x": InputSpec(shape=list(x.shape[1:]))}, losses=(loss,))
    graph = build(Network.model_validate({"layers": layers[:-1]}), around)
    optimizer = {
        "sgd": {"kind": "sgd", "learning_rate": case.rate},
        "momentum": {"kind": "sgd", "learning_rate": case.rate, "momentum": 0.9},
        "adam": {"kind": "adam", "learning_rate": case.rate},
    }[case.optimizer]
    spec = TrainingSpec.model_validate(
        {"optimizer": optimizer, "batch_size": case.batch, "epochs": 1_000_000, "shuffle": case.shuffles, **told}
    )
    targets = classes[:, None].astype(np.float32) if case.is_binary else classes
    return Run(graph, spec, Examples({"x": x}, {"y": targets}))


def ours_fused(case: Case) -> Prepared:
    """Ours with the compiled kernels of the extra `fused`."""
    from core import fused

    try:
        fused.enable()
    except fused.NumbaMissing as error:
        raise ModuleNotFoundError(str(error)) from error
    return ours(case)


def scikit_learn(case: Case) -> Prepared:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    if case.is_convolutional:
        raise ModuleNotFoundError("scikit-learn has no convolution")
    warnings.simplefilter("ignore", ConvergenceWarning)
    x, classes = rows_of(case)
    model = MLPClassifier(
        hidden_layer_sizes=case.widths[1:-1], activation=case.activation, alpha=0.0, shuffle=case.shuffles,
        batch_size=min(case.batch, case.rows),
        solver="adam" if case.optimizer == "adam" else "sgd", learning_rate_init=case.rate,
        momentum=0.9 if case.optimizer == "momentum" else 0.0, nesterovs_momentum=False,
        tol=0.0, n_iter_no_change=10**9, max_iter=1, warm_start=True, random_state=0,
    )  # fmt: skip
    model.fit(x, classes)
    begun = time.perf_counter()
    model.fit(x, classes)
    # Several epochs a fit spread fit's own checks thin.
    epochs = max(1, min(200, int(0.3 / (time.perf_counter() - begun))))
    model.set_params(max_iter=epochs)
    return lambda: model.fit(x, classes), epochs


def torch(case: Case, *, fused: bool = False) -> Prepared:
    """Eager PyTorch with the optimizer's usual or fused form; fused also takes images channels-last."""
    import torch

    torch.set_num_threads(1)
    x, classes = (torch.from_numpy(array) for array in rows_of(case))
    modules: list[torch.nn.Module] = []
    for weights, bias in starting_layers(case):
        is_kernel = weights.ndim == 4
        layer: torch.nn.Module
        if is_kernel:
            layer = torch.nn.Conv2d(weights.shape[1], weights.shape[0], 3, padding=1)
        else:
            layer = torch.nn.Linear(*weights.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weights if is_kernel else weights.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias))
        flatten = [torch.nn.Flatten()] if case.is_convolutional and not is_kernel else []
        pool = [torch.nn.MaxPool2d(2)] if is_kernel else []
        modules += [*flatten, layer, torch.nn.ReLU() if case.activation == "relu" else torch.nn.Tanh(), *pool]
    model = torch.nn.Sequential(*modules[:-1])
    if case.is_convolutional and fused:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    loss_of: torch.nn.Module = torch.nn.BCEWithLogitsLoss() if case.is_binary else torch.nn.CrossEntropyLoss()
    targets = classes.float()[:, None] if case.is_binary else classes
    momentum = 0.9 if case.optimizer == "momentum" else 0.0
    optimizer: torch.optim.Optimizer
    if case.optimizer == "adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=case.rate, fused=fused)
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=case.rate, momentum=momentum, fused=fused)

    def epoch() -> float:
        total = 0.0
        order = torch.randperm(case.rows) if case.shuffles else None
        for start in range(0, case.rows, case.batch):
            rows = slice(start, start + case.batch) if order is None else order[start : start + case.batch]
            optimizer.zero_grad()
            loss = loss_of(model(x[rows]), targets[rows])
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total

    return epoch, 1


def floor(case: Case) -> Prepared:
    """Only the matrix products of a step, outputs made before, in a plain loop: what no NumPy engine can beat with
    these kernels. Of a convolution they are those of unfolded windows, which are taken to be there already."""
    generator = np.random.default_rng(0)
    batch = min(case.batch, case.rows)
    products: list[tuple[Callable[[Any, Any], object], Any, Any]] = []

    def product(rows: int, inner: int, columns: int, turned: str = "") -> None:
        """A (rows × inner) matrix times an (inner × columns) one, of which `turned` lie in memory the other way."""
        a, b = (
            generator.standard_normal(shape[::-1] if name in turned else shape, dtype=np.float32)
            for name, shape in (("a", (rows, inner)), ("b", (inner, columns)))
        )
        a, b = (array.T if name in turned else array for name, array in (("a", a), ("b", b)))
        products.append((a.dot, b, np.empty((rows, columns), np.float32)))

    if case.is_convolutional:
        positions, windows, few = batch * IMAGE[1] * IMAGE[2], 9 * FILTERS[0], batch * IMAGE[1] * IMAGE[2] // 4
        product(FILTERS[0], 9 * IMAGE[0], positions)
        product(FILTERS[0], positions, 9 * IMAGE[0], "b")
        product(FILTERS[1], windows, few)
        product(FILTERS[1], few, windows, "b")
        product(windows, FILTERS[1], few, "a")
    for position, (fan_in, fan_out) in enumerate(case.layers):
        product(batch, fan_in, fan_out)
        product(fan_in, batch, fan_out, "a")
        if position or case.is_convolutional:
            product(batch, fan_out, fan_in, "b")
    steps = max(1, case.rows // batch)

    def epoch() -> None:
        for _ in range(steps):
            for dot, right, out in products:
                dot(right, out)

    return epoch, steps * batch / case.rows


PREPARE: dict[str, Callable[[Case], Prepared]] = {
    "floor": floor,
    "ours": ours,
    "ours-fused": ours_fused,
    "scikit-learn": scikit_learn,
    "torch": torch,
    "torch-fused": lambda case: torch(case, fused=True),
    "jax": jax_steps,
    "jax-scan": jax_epochs,
}
