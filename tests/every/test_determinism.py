"""The same seed gives the same bits: in this process, in another one, and after going on in a third."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.determinism import digest_of, runs

ROOT = Path(__file__).parents[2]


def in_a_process(folder: Path, *arguments: str, hash_seed: str) -> dict[str, str]:
    """The digests that another process comes to; its sets of texts have another order."""
    told = subprocess.run(
        [sys.executable, "-m", "tests.determinism", str(folder), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    )
    digests: dict[str, str] = json.loads(told.stdout)
    return digests


def test_every_kind_gives_the_same_bits_in_every_process_and_after_resuming_in_another(tmp_path: Path) -> None:
    here = {name: digest_of(run, tmp_path / f"{index}.npz", resume=False) for index, (name, run) in enumerate(runs())}
    assert len(set(here.values())) > len(here) / 2
    there = in_a_process(tmp_path, hash_seed="1")
    assert {name for name in here if here[name] != there[name]} == set()
    resumed = in_a_process(tmp_path, "--resume", hash_seed="2")
    assert {name for name in here if here[name] != resumed[name]} == set()
