"""``python -m synthvlm.dataset.migrate``: brings the schema of the catalogue up to date and ends.

For a Job before new replicas start, so that none of them waits for a migration. The settings are
those of the service; only those of the database are used.
"""

import sys

from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.service import SERVICE, open_catalogue
from synthvlm.errors import DomainError, InvalidInput
from synthvlm.serving.lifecycle import FAILURE_EXIT, USAGE_EXIT
from synthvlm.serving.logs import configure_logs
from synthvlm.serving.settings_sources import load_settings, read_command_line


def main(arguments: list[str]) -> int:
    """Migrates; the exit status."""
    line = read_command_line(
        DatasetSettings, SERVICE.word, arguments, program="synthvlm.dataset.migrate"
    )
    try:
        settings = load_settings(
            DatasetSettings, SERVICE.word, command_line=line.values, config=line.config
        )
        configure_logs(settings, SERVICE.word)
        # Opening migrates.
        open_catalogue(settings).close()
    except DomainError as error:
        sys.stderr.write(f"{error.message}\n")
        return USAGE_EXIT if isinstance(error, InvalidInput) else FAILURE_EXIT
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
