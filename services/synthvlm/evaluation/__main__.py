"""``python -m synthvlm.evaluation --request FILE.json``: one evaluation.

The shard's reference is printed as JSON; progress and the harnesses' own bars go to stderr. Status
2: the request is wrong; 1: it could not be carried out.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from synthvlm.errors import DomainError, InvalidInput

USAGE_STATUS, FAILURE_STATUS = 2, 1


class _Told:
    """Tells of finished parts on stderr."""

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        del reused
        sys.stderr.write(f"evaluation: {done} of {total} parts, {resumed} of them resumed\n")

    def check(self) -> None:
        """A job is ended by a signal."""


def main(arguments: list[str]) -> int:
    """Evaluates and prints; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m synthvlm.evaluation", description=__doc__)
    parser.add_argument("--request", type=Path, required=True, metavar="FILE", help="JSON file")
    path = parser.parse_args(arguments).request
    # Before the libraries are imported: nothing is fetched, and bars stay few where nobody watches.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_MININTERVAL", "10")
    from synthvlm.evaluation.evaluate import evaluate
    from synthvlm.evaluation.request import read_request

    try:
        ref = evaluate(read_request(path), _Told())
    except DomainError as error:
        sys.stderr.write(f"{error.message}\n")
        return USAGE_STATUS if isinstance(error, InvalidInput) else FAILURE_STATUS
    sys.stdout.write(f"{json.dumps({'evaluation': asdict(ref)})}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
