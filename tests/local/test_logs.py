"""The end of a log."""

import json
from pathlib import Path

from synthvlm.local.logs import log_tail


def test_a_log_tail_shows_what_was_wrong_since_the_start(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("of an earlier start\n")
    start = log.stat().st_size
    entry = {"event": "the service cannot start", "level": "error", "problem": "no model"}
    with log.open("a") as file:
        file.write(f"plain\n{json.dumps(entry)}\n")
    assert log_tail(log, start) == "  plain\n  error: the service cannot start; no model"


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("x" * 1_000_000 + "\nlast\n")
    first, last = log_tail(log, 0).splitlines()
    assert len(first) < 100_000
    assert last == "  last"
