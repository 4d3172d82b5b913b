"""Numbers, times and keys as the page writes them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

_SIGNIFICANT = 4
_SECONDS_A_MINUTE = 60
_NOTHING = "\N{EN DASH}"


def value(given: Any) -> str:
    """A statistic or a value of the configuration, without needless digits."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, float):
        return f"{given:,.0f}" if abs(given) >= 1000 else f"{given:.{_SIGNIFICANT}g}"
    if given is None or given == "":
        return _NOTHING
    if isinstance(given, Sequence) and not isinstance(given, str):
        return ", ".join(value(item) for item in given)
    if isinstance(given, Mapping):
        return _NOTHING
    return f"{given:,}" if isinstance(given, int) else str(given)


def breakable(key: str) -> Markup:
    """A dotted key that may be broken at its dots and underscores."""
    # The key is escaped first; what is added is a constant.
    return Markup("<wbr>").join(re.split("(?<=[._])", key))


def duration(seconds: float) -> str:
    """A time: seconds, minutes or hours."""
    if seconds < _SECONDS_A_MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _SECONDS_A_MINUTE)
    hours, minutes = divmod(minutes, _SECONDS_A_MINUTE)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def size(count: int) -> str:
    """A number of bytes."""
    shown = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if shown < 1024:
            return f"{shown:,.0f} {unit}" if unit == "bytes" else f"{shown:,.1f} {unit}"
        shown /= 1024
    return f"{shown:,.1f} TiB"


def figure(number: float, unit: str) -> str:
    """A result of an evaluation in its unit."""
    return f"{100 * number:.1f} %" if unit == "share" else f"{number:,.2f}"
