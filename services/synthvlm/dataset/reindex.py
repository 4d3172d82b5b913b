"""``python -m synthvlm.dataset.reindex``: fills the catalogue again from what stores hold.

For a catalogue that was lost, or a store that was moved. Versions keep the numbers that are
recorded beside them. The settings are those of the service; every root of ``store_roots`` is read.
"""

import sys

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
    """Reindexes and prints what was found; the exit status."""
    line = read_command_line(DatasetSettings, SERVICE.word, arguments)
    try:
        settings = load_settings(
            DatasetSettings, SERVICE.word, command_line=line.values, config=line.config
        )
        configure_logs(settings, SERVICE.word)
        catalogue = open_catalogue(settings)
        try:
            for root in settings.store_roots:
                found = reindex(
                    catalogue, open_store(parse_location(root)), maker(settings), SILENT
                )
                sys.stdout.write(
                    f"{root}: {found.versions} versions, {found.indexes} indexes of images\n"
                )
        finally:
            catalogue.close()
    except DomainError as error:
        sys.stderr.write(f"{error.message}\n")
        return USAGE_EXIT if isinstance(error, InvalidInput) else FAILURE_EXIT
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
