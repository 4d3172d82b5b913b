"""``python -m synthvlm.serving.show``: the settings that several services would start with.

Each service's own program says its own with ``--show-settings``; here one process loads for all of
them what they share.
"""

import importlib
import json
import sys

from synthvlm.errors import InvalidInput
from synthvlm.serving.lifecycle import USAGE_EXIT
from synthvlm.serving.settings import ServiceSettings
from synthvlm.serving.settings_sources import load_settings, read_command_line


def main() -> None:
    """Prints the settings by word; the argument is a JSON object of words and command lines.

    Exit status: 2 when the settings of a service are wrong, after one line that says which.
    """
    shown = {}
    for word, arguments in json.loads(sys.argv[1]).items():
        model = _model(word)
        line = read_command_line(model, word, arguments)
        try:
            settings = load_settings(model, word, command_line=line.values, config=line.config)
        except InvalidInput as error:
            sys.stderr.write(f"{error.message}\n")
            sys.exit(USAGE_EXIT)
        shown[word] = settings.effective()
    sys.stdout.write(f"{json.dumps(shown, sort_keys=True)}\n")


def _model(word: str) -> type[ServiceSettings]:
    """The settings of a service, without the service: it imports databases, images and models."""
    config = importlib.import_module(f"synthvlm.{word}.config")
    model: type[ServiceSettings] = getattr(config, f"{word.capitalize()}Settings")
    return model


if __name__ == "__main__":
    main()
