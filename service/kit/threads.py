"""One BLAS thread a process, decided before NumPy is imported.

Two threads a job were measured to make two jobs 24 to 210 times slower each, so nothing here may be left to the
machine's default. Import nothing but the standard library: whoever imports NumPy first has already started its threads.

    from service.kit.threads import use_one_blas_thread
    use_one_blas_thread()
    import numpy
"""

import os
import sys

VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


class TooLate(RuntimeError):
    """NumPy was imported before its threads were limited, so this process would train with all cores at once."""


def use_one_blas_thread() -> None:
    """Every BLAS that this process or its children load from now on runs on one thread.

    Raises TooLate when NumPy is already here with other settings.
    """
    if "numpy" in sys.modules and not is_limited_to_one_blas_thread():
        raise TooLate(TooLate.__doc__)
    os.environ.update(dict.fromkeys(VARIABLES, "1"))


def is_limited_to_one_blas_thread() -> bool:
    """Whether the environment asks every BLAS for one thread."""
    return all(os.environ.get(variable) == "1" for variable in VARIABLES)
