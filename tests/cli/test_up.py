"""``synthvlm up``: it ends when a service does, and its services end with it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from synthvlm.local.home import Home
from synthvlm.local.processes import is_alive


def test_up_ends_with_a_service_that_ends_by_itself(tmp_path: Path) -> None:
    two_services = (
        "import sys, synthvlm.local.services as services; services.WORDS = ('caption', 'dataset');"
        "from synthvlm.cli.__main__ import run; sys.exit(run(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", two_services, "--home", str(tmp_path), "up", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    started = json.loads(process.stdout.readline())["services"]
    os.kill(started["dataset"]["pid"], signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == 1
    told = [line for line in err.splitlines() if "dataset service was killed by signal 9" in line]
    assert told == [
        f"synthvlm: the dataset service was killed by signal 9 (log: {tmp_path}/logs/dataset.log)"
    ]
    assert not is_alive(started["caption"]["pid"])
    assert not Home(tmp_path).services_file.exists()
