"""Products of factors stand for the gradients they would give, whichever way is the shorter."""

import numpy as np
import pytest

from core.arrays import Array
from core.per_example import OuterProducts, Whole, added


def outer_products(examples: int, positions: int, width: int, height: int, groups: int = 1) -> OuterProducts:
    generator = np.random.default_rng(examples)
    left = generator.normal(size=(groups, examples, positions, width))
    right = generator.normal(size=(groups, examples, positions, height))
    # The tensor is (height, groups, width).
    return OuterProducts(left, right, (groups, width, height), (2, 0, 1))


def entries(products: OuterProducts) -> Array:
    """Every gradient by the definition, (n, size)."""
    whole: Array = np.einsum("gnpi,gnpj->njgi", products.left, products.right)
    return whole.reshape(len(whole), -1)


SIZES = [
    pytest.param((5, 1, 4, 3), id="one position"),
    pytest.param((5, 1, 4, 3, 2), id="groups"),
    pytest.param((6, 2, 30, 40, 2), id="few positions, many weights"),
    pytest.param((6, 50, 2, 3, 2), id="many positions, few weights"),
    pytest.param((1100, 2, 12, 12), id="products of positions in several blocks"),
    pytest.param((2, 2001, 1, 1), id="more positions than can be compared"),
]


@pytest.mark.parametrize("size", SIZES)
def test_products_are_the_gradients_they_stand_for(size: tuple[int, ...]) -> None:
    products = outer_products(*size)
    expected = entries(products)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(products.rows(), expected, atol=1e-13 * scale)
    np.testing.assert_allclose(products.gram(), expected @ expected.T, atol=1e-11 * scale**2)
    np.testing.assert_allclose(products.squares(), np.square(expected).sum(axis=0), rtol=1e-12)


def test_gradients_larger_than_memory_should_hold_are_compared_in_blocks() -> None:
    products = outer_products(20, 40, 500, 500)
    rows = products.rows()
    expected = rows @ rows.T
    np.testing.assert_allclose(products.gram(), expected, atol=1e-12 * expected.max())


def test_uses_of_one_tensor_add_up_with_what_they_have_in_common() -> None:
    """|a + b|² is not |a|² + |b|²."""
    first, second = outer_products(4, 3, 2, 5), outer_products(4, 1, 2, 5)
    expected = entries(first) + entries(second)
    for parts in ([first, second], [first, Whole(entries(second))], [Whole(entries(first)), second]):
        np.testing.assert_allclose(added(parts).rows(), expected, atol=1e-13)
        np.testing.assert_allclose(added(parts).gram(), expected @ expected.T, atol=1e-12)


def test_uses_that_lay_out_their_weights_differently_add_up_entry_by_entry() -> None:
    first, second = outer_products(4, 3, 2, 5, groups=2), outer_products(4, 3, 4, 5)
    np.testing.assert_allclose(added([first, second]).rows(), entries(first) + entries(second), atol=1e-13)
