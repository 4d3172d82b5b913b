"""``synthvlm up``: it ends when a service does, and its services end with it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from synthvlm.local.home import Home
from synthvlm.local.processes import is_alive

TWO_SERVICES = (
    "import sys, synthvlm.local.services as services; services.WORDS = ('caption', 'dataset');"
    "from synthvlm.cli.__main__ import run; sys.exit(run(sys.argv[1:]))"
)


def up(home: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", TWO_SERVICES, "--home", str(home), "up", "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_other_commands_use_services_on_tcp_with_their_token(tmp_path: Path) -> None:
    process = up(tmp_path, "--tcp")
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["token_file"] == str(tmp_path / "run" / "token")
    assert told["services"]["dataset"]["address"].startswith("127.0.0.1:")
    command = [sys.executable, "-m", "synthvlm.cli", "--home", str(tmp_path)]
    listed = subprocess.run(
        [*command, "datasets", "list", "--json"], capture_output=True, text=True, check=False
    )
    assert (listed.returncode, json.loads(listed.stdout)) == (0, []), listed.stderr
    assert not (tmp_path / "logs" / "generation.log").exists()
    process.terminate()
    process.communicate()
    assert process.returncode == 0


def test_up_ends_with_a_service_that_ends_by_itself(tmp_path: Path) -> None:
    process = up(tmp_path)
    assert process.stdout is not None
    started = json.loads(process.stdout.readline())["services"]
    os.kill(started["dataset"]["pid"], signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == 1
    told = [line for line in err.splitlines() if "dataset service was killed by signal 9" in line]
    assert told == [
        "synthvlm: the dataset service was killed by signal 9; run the same command again "
        f"(log: {tmp_path}/logs/dataset.log)"
    ]
    assert not is_alive(started["caption"]["pid"])
    assert not Home(tmp_path).services_file.exists()
