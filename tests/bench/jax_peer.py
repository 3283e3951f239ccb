"""JAX on the CPU: a step, or a scan over the steps of an epoch, compiled by XLA."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.bench.cases import Case, Prepared, rows_of, starting_layers


def jax_steps(case: Case) -> Prepared:
    """A compiled step, called for each batch."""
    import jax

    step = jax.jit(_step_of(case), donate_argnums=0)
    (x, classes), state = _rows(case), [_start(case)]
    held, batch = tuple(map(jax.numpy.asarray, (x, classes))), min(case.batch, case.rows)
    order_of = _orders(case)

    def epoch() -> float:
        order, losses = order_of(), []
        for start in range(0, case.rows, batch):
            rows = order[start : start + batch]
            given = held if len(rows) == case.rows else (x[rows], classes[rows])
            state[0], loss = step(state[0], *given)
            losses.append(loss)
        return sum(map(float, losses))

    return epoch, 1


def jax_epochs(case: Case) -> Prepared:
    """A compiled epoch."""
    import jax

    step, batch = _step_of(case), min(case.batch, case.rows)
    whole = case.rows // batch

    def epoch_of(state: Any, x: Any, classes: Any, order: Any) -> Any:
        head, tail = order[: whole * batch].reshape(whole, batch), order[whole * batch :]
        state, losses = jax.lax.scan(lambda state, rows: step(state, x[rows], classes[rows]), state, head)
        return (step(state, x[tail], classes[tail])[0] if len(tail) else state), losses.mean()

    compiled = jax.jit(epoch_of, donate_argnums=0)
    state, held, order_of = [_start(case)], tuple(map(jax.numpy.asarray, _rows(case))), _orders(case)

    def epoch() -> float:
        state[0], loss = compiled(state[0], *held, order_of())
        return float(loss)

    return epoch, 1


def _rows(case: Case) -> tuple[Any, Any]:
    x, classes = rows_of(case)
    return x, classes.astype(np.int32)


def _orders(case: Case) -> Callable[[], Any]:
    generator = np.random.default_rng(0)
    return lambda: generator.permutation(case.rows) if case.shuffles else np.arange(case.rows)


def _start(case: Case) -> Any:
    """Layers, two zero moments of them, and the count of steps."""
    import jax
    import jax.numpy as jnp

    layers = [tuple(map(jnp.asarray, layer)) for layer in starting_layers(case)]
    first, second = (jax.tree_util.tree_map(jnp.zeros_like, layers) for _ in range(2))
    return layers, first, second, jnp.float32(0)


def _outputs(case: Case, layers: Any, x: Any) -> Any:
    import jax
    import jax.numpy as jnp

    *hidden, (last, last_bias) = layers
    for weights, bias in hidden:
        if weights.ndim == 4:
            axes = ("NCHW", "OIHW", "NCHW")
            x = jax.lax.conv_general_dilated(x, weights, (1, 1), "SAME", dimension_numbers=axes)
            x = jax.nn.relu(x + bias[None, :, None, None])
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        else:
            x = x @ weights + bias
            x = jax.nn.relu(x) if case.activation == "relu" else jnp.tanh(x)
    return x.reshape(len(x), -1) @ last + last_bias


def _step_of(case: Case) -> Callable[[Any, Any, Any], Any]:
    import jax
    import jax.numpy as jnp

    def loss_of(layers: Any, x: Any, classes: Any) -> Any:
        y = _outputs(case, layers, x)
        if case.is_binary:
            return jnp.mean(jnp.logaddexp(0.0, y[:, 0]) - y[:, 0] * classes)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(y), classes[:, None], 1))

    def step(state: Any, x: Any, classes: Any) -> Any:
        loss, gradient = jax.value_and_grad(loss_of)(state[0], x, classes)
        return _moved(case, state, gradient), loss

    return step


def _moved(case: Case, state: Any, gradient: Any) -> Any:
    import jax
    import jax.numpy as jnp

    each, (layers, first, second, count) = jax.tree_util.tree_map, state
    count = count + 1
    if case.optimizer == "sgd":
        return each(lambda p, g: p - case.rate * g, layers, gradient), first, second, count
    if case.optimizer == "momentum":
        first = each(lambda m, g: 0.9 * m + g, first, gradient)
        return each(lambda p, m: p - case.rate * m, layers, first), first, second, count
    first = each(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
    second = each(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
    c1, c2 = 1 - 0.9**count, 1 - 0.999**count
    layers = each(lambda p, m, v: p - case.rate * (m / c1) / (jnp.sqrt(v / c2) + 1e-8), layers, first, second)
    return layers, first, second, count
