"""Locks, leashes and logs: nothing stays behind when a process is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from synthvlm.local.home import Home, home_at
from synthvlm.local.processes import is_alive, log_tail
from synthvlm.local.services import WORDS, HomeLock, attach


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_leashed_command_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    child_file = tmp_path / "child"
    parent = (
        "import subprocess, sys; from synthvlm.local.parent_death import leashed;"
        "subprocess.run(leashed(['sh', '-c', f'echo $$ > {sys.argv[1]}; exec sleep 600']))"
    )
    process = subprocess.Popen([sys.executable, "-c", parent, str(child_file)])
    until(lambda: child_file.exists() and child_file.read_text().strip() != "")
    child = int(child_file.read_text())
    assert is_alive(child)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not is_alive(child))


def test_the_lock_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    holder = (
        "import sys, time; from pathlib import Path; from synthvlm.local.home import Home;"
        "from synthvlm.local.services import HomeLock;"
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


def test_a_stale_registration_is_not_used(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    assert attach(home, WORDS) is None
    process = subprocess.Popen(["true"])
    until(lambda: not is_alive(process.pid))  # although nobody has waited for it
    process.wait()
    stale = {"address": "127.0.0.1:9", "pid": process.pid}
    content = {"owner": "up", "pid": process.pid, "profile": "mini"}
    home.services_file.write_text(json.dumps({**content, "running": dict.fromkeys(WORDS, stale)}))
    assert attach(home, WORDS) is None
    assert not is_alive(process.pid)


def test_the_home_is_found(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNTHVLM_HOME", raising=False)
    assert home_at(None).root == tmp_path / ".synthvlm"
    monkeypatch.setenv("SYNTHVLM_HOME", "elsewhere")
    assert home_at(None).root == tmp_path / "elsewhere"
    assert home_at(Path("chosen")).root == tmp_path / "chosen"


def test_two_runs_at_the_same_second_have_their_own_folders(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folders = [home.new_run("x") for _ in range(4)]
    assert len(set(folders)) == 4


def test_a_log_tail_shows_what_was_wrong_since_the_start(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("of an earlier start\n")
    start = log.stat().st_size
    entry = {"event": "the service cannot start", "level": "error", "problem": "no model"}
    with log.open("a") as file:
        file.write(f"plain\n{json.dumps(entry)}\n")
    assert log_tail(log, start) == "  plain\n  error: the service cannot start; no model"


def test_of_a_long_log_only_the_end_is_read(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("x" * 1_000_000 + "\nlast\n")
    first, last = log_tail(log, 0).splitlines()
    assert len(first) < 100_000
    assert last == "  last"


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
