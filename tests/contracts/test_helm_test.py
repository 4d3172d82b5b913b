"""What `helm test` asks, asked of the running services with its own command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.charts.objects import template
from tests.charts.rendering import configuration
from tests.contracts.words import SERVICES


@pytest.mark.parametrize("word", SERVICES)
def test_the_request_of_helm_test_is_answered(
    word: str, addresses: dict[str, str], tmp_path: Path
) -> None:
    # The review service is deployed only where people have to sign in.
    chosen = configuration("web-by-gateway" if word == "review" else "mini")
    container = template(chosen, f"test-{word}").container
    command = container["command"][2]
    (tmp_path / "token").write_text("a-token")
    command = command.replace("/run/secrets/token/token", str(tmp_path / "token"))
    command = command.replace("python3", sys.executable)
    command = command.replace(f"dns:///synthvlm-{word}.images.svc:50051", addresses[word])
    command = command.replace("/tmp/answer", str(tmp_path / "answer"))
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    done = subprocess.run(
        ["sh", "-c", command],
        env=os.environ | environment,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{(tmp_path / 'answer').stat().st_size} bytes\n"
