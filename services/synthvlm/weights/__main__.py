"""``python -m synthvlm.weights``: fetches weights, where there is no command line of people's."""

import argparse
import sys
from pathlib import Path

from synthvlm.errors import DomainError, InvalidInput
from synthvlm.weights.fetch import fetch
from synthvlm.weights.sources import source_of


class _Lines:
    """Tells the progress line by line, as a container's log wants it."""

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        """Prints it."""
        del resumed, reused
        sys.stdout.write(f"{done} of {total} files\n")
        sys.stdout.flush()

    def check(self) -> None:
        """Never raises."""


def main() -> int:
    """Runs the command line; the exit status: 0, 1 after a failure, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(
        prog="python -m synthvlm.weights", description="Fetches model weights into a folder."
    )
    parser.add_argument("source", help="hf:OWNER/NAME@COMMIT, or a folder's URL in an object store")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--digest", help="that the listing of the weights must have")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN")
    given = parser.parse_args()
    try:
        source = source_of(given.source, given.digest)
        fetched = fetch(source, given.to, given.digest, given.only, _Lines())
    except DomainError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2 if isinstance(error, InvalidInput) else 1
    sys.stdout.write(f"{given.to} {fetched.digest} ({fetched.files} files)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
