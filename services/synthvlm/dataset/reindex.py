"""``python -m synthvlm.dataset.reindex``: rebuilds the catalogue from the stores.

On one machine ``synthvlm datasets reindex`` does it for a home.

For a catalogue that was lost, or a store that was moved. Versions keep the numbers that are
recorded beside them. The settings are those of the service; every root of ``store_roots`` is read.
"""

import json
import sys
from dataclasses import asdict

from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.publication import reindex
from synthvlm.dataset.service import SERVICE, maker, open_catalogue
from synthvlm.errors import DomainError, InvalidInput
from synthvlm.progress import SILENT
from synthvlm.serving.lifecycle import FAILURE_EXIT, USAGE_EXIT
from synthvlm.serving.logs import configure_logs
from synthvlm.serving.settings_sources import load_settings, read_command_line
from synthvlm.storage import open_store, parse_location


def main(arguments: list[str]) -> int:
    """Reindexes and prints what was found in each store, as JSON; the exit status."""
    line = read_command_line(DatasetSettings, SERVICE.word, arguments)
    try:
        settings = load_settings(
            DatasetSettings, SERVICE.word, command_line=line.values, config=line.config
        )
        if not settings.store_roots:
            raise InvalidInput("give the stores to read with --store-roots")
        configure_logs(settings, SERVICE.word)
        found = {}
        catalogue = open_catalogue(settings)
        try:
            for root in settings.store_roots:
                found[root] = asdict(
                    reindex(catalogue, open_store(parse_location(root)), maker(settings), SILENT)
                )
        finally:
            catalogue.close()
        sys.stdout.write(f"{json.dumps(found)}\n")
    except DomainError as error:
        sys.stderr.write(f"{error.message}\n")
        return USAGE_EXIT if isinstance(error, InvalidInput) else FAILURE_EXIT
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
