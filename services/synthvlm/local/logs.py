"""Reading the end of a log."""

import json
from pathlib import Path

_TAIL_LINES = 8
_TAIL_BYTES = 65_536


def log_tail(log: Path, start: int) -> str:
    """The last lines of a log after byte ``start``, indented; JSON lines by their message."""
    with log.open("rb") as file:
        # A service that ran for weeks has written more than the memory holds.
        file.seek(max(start, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {_readable(line)}" for line in lines[-_TAIL_LINES:])


def _readable(line: str) -> str:
    try:
        content = json.loads(line)
    except json.JSONDecodeError:
        return line
    if not isinstance(content, dict) or "event" not in content:
        return line
    shown = [str(content["event"]), str(content.get("problem") or content.get("error") or "")]
    return f"{content.get('level', '')}: {'; '.join(part for part in shown if part)}".strip(": ")
