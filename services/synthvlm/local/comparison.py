"""Whether services that run do what is asked for: their settings are compared, not their names."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthvlm.errors import InvalidInput
from synthvlm.local.home import Home
from synthvlm.local.launch import service_options

_TOLD = 5
"""Most differences that a message lists."""

_OF_THE_ENGINE = {"engine", "triton.endpoints", "triton.patience_seconds"}
"""Settings of the generation service that the choice of the engine makes, not the profile."""


@dataclass(frozen=True)
class Difference:
    """A setting of a running service that is not what is asked for; None where it is not set."""

    name: str
    running: Any
    asked: Any


def asked_settings(home: Home, profile: str, words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The settings that services would have if they were started now, by word.

    Their own code says them, in a process that has the environment and the profile as they are now.

    Raises:
        InvalidInput: The settings are wrong.
    """
    lines = {word: service_options(home, profile, word) for word in words}
    answer = subprocess.run(
        [sys.executable, "-m", "synthvlm.serving.show", json.dumps(lines)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )
    if answer.returncode:
        raise InvalidInput(answer.stderr.strip() or f"the settings of {', '.join(words)} are wrong")
    settings: dict[str, dict[str, Any]] = json.loads(answer.stdout)
    return settings


def differences(
    running: Mapping[str, Mapping[str, Any]], asked: Mapping[str, Mapping[str, Any]]
) -> list[Difference]:
    """The settings that differ, by service and name."""
    return [
        Difference(f"{word}.{name}", running[word].get(name), asked[word].get(name))
        for word in asked
        for name in sorted({*running[word], *asked[word]} - _OF_THE_ENGINE)
        if running[word].get(name) != asked[word].get(name)
    ]


def told(found: Sequence[Difference]) -> str:
    """The differences in words, the first few of them."""
    texts = [
        f"{one.name}: running {json.dumps(one.running)}, asked for {json.dumps(one.asked)}"
        for one in found[:_TOLD]
    ]
    rest = len(found) - _TOLD
    return "; ".join([*texts, *([f"and {rest} more"] if rest > 0 else [])])
