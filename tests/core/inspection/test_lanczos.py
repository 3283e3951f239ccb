"""Ends of spectra and traces, of matrices whose spectrum is known."""

import numpy as np
import pytest

from core.arrays import Array
from core.inspection.lanczos import Ends, ends_of_spectrum, trace_estimate


def with_spectrum(values: Array) -> Array:
    """A symmetric matrix with these eigenvalues and random eigenvectors."""
    turned, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(len(values), len(values))))
    return np.asarray((turned * values) @ turned.T)


def ends_of(matrix: Array, count: int = 3, steps: int = 100) -> Ends:
    generator = np.random.default_rng(0)
    return ends_of_spectrum(lambda v: matrix @ v, len(matrix), count, generator, steps=steps)


def values(found: Ends) -> list[float]:
    return [one.value for one in (*found.smallest, *reversed(found.largest))]


def test_both_ends_of_a_large_spectrum_are_found_long_before_the_rest() -> None:
    spectrum = np.concatenate([[-7.0, -5.0, -4.0], np.linspace(-1, 1, 200), [3.0, 5.0, 9.0]])
    found = ends_of(with_spectrum(spectrum))
    assert found.converged
    assert found.steps < 60
    np.testing.assert_allclose(values(found), [-7, -5, -4, 3, 5, 9], rtol=1e-12)


def test_what_is_not_found_yet_is_not_called_converged_and_lies_within_its_residual() -> None:
    spectrum = np.linspace(0, 1, 200)
    found = ends_of(with_spectrum(spectrum), steps=20)
    assert not found.converged
    assert found.steps == 20
    for one in (*found.largest, *found.smallest):
        assert np.abs(spectrum - one.value).min() <= one.residual
        assert one.residual > 1e-9


def test_every_eigenvalue_is_found_once() -> None:
    """Without it the largest eigenvalue would soon be found a second and a third time."""
    spectrum = np.concatenate([[1e6], np.linspace(1, 2, 99)])
    found = ends_of(with_spectrum(spectrum), count=20)
    expected = sorted(spectrum, reverse=True)[:20]
    for one, known in zip(found.largest, expected, strict=True):
        assert abs(one.value - known) <= one.residual + 1e-9
        assert one.residual <= 1e-9 * 1e6


@pytest.mark.parametrize("spectrum", [[2.0] * 12, [0.0] * 12, [1.0] * 6 + [-3.0] * 6, [4.0], [1e-100, -1e-100]])
def test_equal_eigenvalues_end_in_a_full_space_and_not_in_a_division_by_zero(spectrum: list[float]) -> None:
    found = ends_of(with_spectrum(np.array(spectrum)), count=len(spectrum))
    assert found.converged
    np.testing.assert_allclose([one.value for one in found.smallest], sorted(spectrum), rtol=1e-12, atol=1e-300)


def test_the_trace_is_estimated_with_the_error_it_has() -> None:
    matrix = with_spectrum(np.linspace(-1, 3, 40))
    errors = []
    for seed in range(200):
        found = trace_estimate(lambda v: matrix @ v, 40, 30, np.random.default_rng(seed))
        errors.append((found.estimate - np.trace(matrix)) / found.standard_error)
    assert abs(np.mean(errors)) < 3 / 200**0.5
    assert np.std(errors) == pytest.approx(1, abs=0.2)


def test_signs_tell_the_trace_of_a_diagonal_matrix_at_once() -> None:
    found = trace_estimate(lambda v: np.arange(5.0) * v, 5, 2, np.random.default_rng(0))
    assert (found.estimate, found.standard_error, found.probes) == (10, 0, 2)
