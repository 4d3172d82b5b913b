"""``python -m synthvlm.evaluation --request FILE.json``: one evaluation.

What happens is told on stdout, a JSON line each, the last one with the record's place; the
harnesses' own bars go to stderr. Status 2: the request is wrong; 1: it could not be carried out.
"""

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path

from synthvlm.errors import DomainError
from synthvlm.heap import put_off_full_collections
from synthvlm.jobs.asked import REQUEST_HELP
from synthvlm.jobs.events import JobEvent, State, emit

USAGE_STATUS, FAILURE_STATUS = 2, 1


class _Told:
    """Tells of finished parts."""

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        del reused
        emit(JobEvent(State.RUNNING, done=done, total=total, resumed=resumed))

    def check(self) -> None:
        """A job is ended by a signal."""


def main(arguments: list[str]) -> int:
    """Evaluates and tells; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m synthvlm.evaluation", description=__doc__)
    parser.add_argument("--request", type=Path, metavar="FILE", help=REQUEST_HELP)
    path = parser.parse_args(arguments).request
    # Before the libraries are imported: nothing is fetched, and bars stay few where nobody watches.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_MININTERVAL", "10")
    put_off_full_collections()
    from synthvlm.evaluation.evaluate import evaluate
    from synthvlm.evaluation.request import read_request

    try:
        ref = evaluate(read_request(path), _Told())
    except DomainError as error:
        emit(JobEvent(State.FAILED, code=error.code, reason=error.message))
        return USAGE_STATUS if error.code == "INVALID_ARGUMENT" else FAILURE_STATUS
    emit(JobEvent(State.FINISHED, values=asdict(ref)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
