"""The process that reads one file under limits, and says on its standard output what it found.

`python -m service.datasets.files.child PATH`, with a FileRequest as JSON on standard input. The answer is one line of
JSON, an Answer, and behind it the table as bytes, if there is one.
"""

import contextlib
import gc
import resource
import sys
from pathlib import Path

from core.data.table import table_to_bytes
from core.errors import Invalid
from service.datasets.files.answer import Answer, Description, Mistake
from service.datasets.files.contents import FileRequest
from service.datasets.files.reading import read_file

# Address space is more than is ever used: libraries and DuckDB's pools reserve freely.
_LIMITS = {
    resource.RLIMIT_AS: 4 * 1024**3,
    resource.RLIMIT_CPU: 60,
    resource.RLIMIT_FSIZE: 1024**3,
    resource.RLIMIT_NOFILE: 64,
    resource.RLIMIT_CORE: 0,
}


def main() -> None:
    """Read the file named on the command line."""
    # Millions of texts live until the end; looking for cycles among them was a quarter of the time.
    gc.disable()
    for kind, limit in _LIMITS.items():
        # Some systems know a limit and refuse to set it; the parent's time limit holds everywhere.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))
    answer, content = _answer(Path(sys.argv[1]), FileRequest.model_validate_json(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(answer.model_dump_json(exclude_none=True).encode() + b"\n" + content)
    sys.stdout.buffer.flush()


def _answer(path: Path, request: FileRequest) -> tuple[Answer, bytes]:
    try:
        table, source = read_file(path, request)
        return Answer(description=Description.of(table, source)), table_to_bytes(table)
    except Invalid as error:
        return Answer(mistakes=[Mistake.of(problem) for problem in error.problems]), b""


if __name__ == "__main__":
    main()
