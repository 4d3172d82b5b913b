"""What is valid Unicode, and the beginning of what need not be."""

EXCERPT_CHARACTERS = 200
"""Characters of an unreadable record that are shown."""


def excerpt(raw: str | bytes) -> str:
    """The beginning of what was read; what is not valid Unicode in it becomes U+FFFD."""
    if isinstance(raw, bytes):
        # UTF-8 has at most 4 bytes a character.
        return raw[: 4 * EXCERPT_CHARACTERS].decode("utf-8", "replace")[:EXCERPT_CHARACTERS]
    shown = raw[:EXCERPT_CHARACTERS].encode("utf-16", "surrogatepass")
    return shown.decode("utf-16", "replace")


def is_unicode(text: str) -> bool:
    """Whether a text can be encoded."""
    # Only strings with a lone surrogate cannot be, and no ASCII string has one.
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
