"""One process at a time runs the services of a home."""

import os
import subprocess
import sys
from pathlib import Path

from synthvlm.local.home import Home
from synthvlm.local.lock import HomeLock


def test_the_lock_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    holder = (
        "import sys, time; from pathlib import Path; from synthvlm.local.home import Home;"
        "from synthvlm.local.lock import HomeLock;"
        "lock = HomeLock(Home(Path(sys.argv[1])), 'up'); assert lock.take();"
        "print('taken', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    with HomeLock(home, "run") as lock:
        assert not lock.take()
        assert lock.holder() == ("up", process.pid)
        process.kill()
        process.wait()
        process.stdout.close()
        assert lock.take()
        assert lock.holder() == ("run", os.getpid())
