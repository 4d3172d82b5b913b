"""How often a process looks for garbage among all of its objects."""

import json
import subprocess
import sys
from typing import Any

IMPORTS = "objects = [[] for _ in range(1_000_000)]"
"""Makes many objects that stay, as the imports of large libraries do."""

GARBAGE = """
class Garbage:
    def __init__(self):
        self.itself = self

for _ in range(10_000):
    Garbage()
"""


def told_by(*statements: str) -> dict[str, Any]:
    """What the collector of a fresh process tells after some statements."""
    program = "\n".join(
        [
            "import gc, json",
            "from synthvlm.heap import keep_what_is_there, put_off_full_collections",
            *statements,
            "young, _, full = gc.get_stats()",
            "print(json.dumps({'full': full['collections'], 'young': young['collected'],",
            "    'kept': gc.get_freeze_count(), 'threshold': gc.get_threshold()}))",
        ]
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_objects_that_stay_are_not_walked_through_again_and_again() -> None:
    assert told_by(IMPORTS)["full"] > 0
    assert told_by("put_off_full_collections()", IMPORTS)["full"] == 0


def test_young_garbage_is_collected_as_ever() -> None:
    put_off = told_by("put_off_full_collections()", GARBAGE)
    assert put_off["young"] > 9_000
    assert put_off["threshold"][:2] == told_by()["threshold"][:2]


def test_what_is_there_is_kept_and_the_rest_collected_as_usual() -> None:
    told = told_by("put_off_full_collections()", IMPORTS, "keep_what_is_there()")
    assert told["kept"] > 1_000_000
    assert told["threshold"] == told_by()["threshold"]
