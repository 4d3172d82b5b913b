"""A command ends with its parent, however that ends."""

import signal
import subprocess
import sys
from pathlib import Path

from synthvlm.local.processes import is_alive
from tests.local.waiting import until


def test_a_command_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    child_file = tmp_path / "child"
    parent = (
        "import subprocess, sys; from synthvlm.parent_death import ending_with_parent;"
        "command = ['sh', '-c', f'echo $$ > {sys.argv[1]}; exec sleep 600'];"
        "subprocess.run(ending_with_parent(command))"
    )
    process = subprocess.Popen([sys.executable, "-c", parent, str(child_file)])
    until(lambda: child_file.exists() and child_file.read_text().strip() != "")
    child = int(child_file.read_text())
    assert is_alive(child)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not is_alive(child))
