"""`python -m service serve | worker | migrate | doctor`: everything that one starts by hand."""

from service.kit.threads import use_one_blas_thread

use_one_blas_thread()

from service.commands import main  # noqa: E402 -- NumPy must not be imported before its threads are limited

if __name__ == "__main__":
    raise SystemExit(main())
