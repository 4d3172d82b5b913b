"""YAML that people wrote: whatever is wrong with it is one kind of error."""

from typing import Any

import yaml

# PyYAML builds values with a tag (`!!timestamp x`, `!!bool x`) without checking that they fit it.
_UNFIT = (ArithmeticError, AttributeError, LookupError, TypeError)


def load_yaml(text: str, loader: Any = yaml.SafeLoader) -> Any:
    """The value that a YAML text stands for.

    Args:
        text: One document.
        loader: One of PyYAML's safe loaders.

    Raises:
        ValueError: It is not valid YAML; the message says where, in one line.
    """
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506 - only safe ones are given
    except _UNFIT as error:
        raise ValueError("a value does not fit its tag") from error
    except RecursionError as error:
        raise ValueError("lists and mappings are nested too deep") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(" ".join(str(error).split())) from error
