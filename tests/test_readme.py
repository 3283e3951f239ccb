"""What the README lists is what there is: its blocks are made from the registries and the settings.

`python -m tests.test_readme` writes them anew.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.initializers import INITIALIZERS
from core.inspect import QUESTIONS
from core.losses import LOSSES
from core.metrics import METRICS
from core.ops import OPS
from core.optimizers import OPTIMIZERS
from core.schedules import SCHEDULES
from service.settings import Settings

README = Path(__file__).parents[1] / "README.md"


def kinds() -> str:
    """A table of all kinds that are found from their folders."""
    folders: dict[str, Mapping[str, object]] = {
        "ops": OPS,
        "losses": LOSSES,
        "optimizers": OPTIMIZERS,
        "schedules": SCHEDULES,
        "initializers": INITIALIZERS,
        "metrics": METRICS,
        "inspect": QUESTIONS,
    }
    rows = [
        f"| `core/{folder}` | {', '.join(f'`{name}`' for name in sorted(found))} |" for folder, found in folders.items()
    ]
    return "\n".join(["| folder | kinds |", "|---|---|", *rows])


def settings() -> str:
    """A table of all settings with their defaults."""
    rows = [
        f"| `BACKPROP_{name.upper()}` | {'' if field.default is None else f'`{field.default}`'} | "
        f"{' '.join((field.description or '').split())} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


BLOCKS = {"kinds": kinds, "settings": settings}


def block(name: str, text: str) -> str:
    """What stands between the markers of a block."""
    found = re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", text, flags=re.DOTALL)
    assert found is not None, f"the README has no block {name!r}"
    return found[1]


@pytest.mark.parametrize("name", BLOCKS)
def test_the_readme_lists_what_there_is(name: str) -> None:
    assert block(name, README.read_text()) == BLOCKS[name](), "run `python -m tests.test_readme`"


def test_every_test_the_readme_names_is_there() -> None:
    for path in re.findall(r"`(tests/[\w/]+(?:\.py)?)`", README.read_text()):
        assert (README.parent / path).exists(), path


if __name__ == "__main__":
    text = README.read_text()
    for name, make in BLOCKS.items():
        text = text.replace(f"<!-- {name} -->\n{block(name, text)}", f"<!-- {name} -->\n{make()}\n".rstrip("\n"))
        text = re.sub(rf"([^\n])<!-- /{name} -->", rf"\1\n<!-- /{name} -->", text)
    README.write_text(text)
