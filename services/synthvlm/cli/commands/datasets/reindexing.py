"""Filling a home's catalogue again: the dataset service's own program, on the home's folders."""

import json
import subprocess
import sys

from synthvlm.cli.failures import CommandError
from synthvlm.local.home import Home


def reindexed(home: Home) -> dict[str, int]:
    """Enters what the home's store holds in its catalogue; how many ``versions`` and ``indexes``.

    Raises:
        CommandError: The store or the catalogue cannot be read.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "synthvlm.dataset.reindex", "--log-level", "ERROR"),
            *("--store-roots", home.store_uri),
            *("--database", home.catalogue_url),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it ended without a word"]
        raise CommandError(f"the catalogue cannot be filled: {lines[-1]}")
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])[home.store_uri]
    return found
