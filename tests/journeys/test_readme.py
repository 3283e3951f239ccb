"""The README's five minutes with curl, run as they stand against a real service."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.journeys.running import ROOT, Service

README = (ROOT / "README.md").read_text()
TOUR = README.partition("## Five minutes with curl")[2].partition("\n## ")[0]
COMMANDS = "\n".join(re.findall(r"```bash\n(.*?)```", TOUR, flags=re.DOTALL))


@pytest.mark.skipif(shutil.which("curl") is None, reason="the tour is written with curl")
@pytest.mark.parametrize("service", ["sqlite"], indirect=True)
def test_every_command_of_the_tour_does_what_the_text_says(service: Service, tmp_path: Path) -> None:
    script = COMMANDS.replace("http://127.0.0.1:8000", str(service.http.base_url).rstrip("/"))
    tour = subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert tour.returncode == 0, tour.stderr
    for said in (
        '"kind":"category"',  # what the columns were taken for
        "event: end",  # the stream lasts until the job is over
        "succeeded",
        '"validation":{"loss":[',
        '"pointer":"/colour"',  # the mistakes of the last job, all at once
        '"pointer":"/epochs"',
        '"predictions":["Chinstrap"]',
        '"model":"job_',  # a checkpoint answers too
        '"accuracy":0.9',
        '"passed":true',
        '"loss":0.18497938297395',  # the worked example of the 2-2-2 network
        '"value":-12.7',
        '"verdicts":[',
        '"patience":5',
        '"entry":"do[0]/do.W[0][0]"',  # the last of the three factors of w5
        '"agrees":true',
        '"predicted_decrease"',
        '"cosines_with_mean"',
        '"stability"',
        '"completeness"',
        '"self_influence"',
        '"barrier"',
        '"class_index"',
        "sigmoid normal saturates",
        "sigmoid glorot_uniform vanishes",
        "tanh normal explodes",
        "relu he_normal healthy",
        "'equal': True",  # the replay
        '"from":"job_',  # the fork
        "'question': 'gradient-check'",
    ):
        assert said in tour.stdout, f"{said} is missing in:\n{tour.stdout}"
    assert (tmp_path / "penguins.safetensors").stat().st_size > 1000
    assert "gradients/params/dense_1/W" in np.load(tmp_path / "gradients.npz")
