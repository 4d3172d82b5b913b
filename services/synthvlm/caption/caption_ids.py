"""What makes two captions the same, and the id that follows from it."""

import hashlib
import unicodedata


def normalised(text: str) -> str:
    """The text in Unicode's composed form (NFC), white space collapsed to single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def caption_id(text: str, source: str) -> str:
    """Id of a caption: 32 hexadecimal digits of SHA-256 over its source and normalised text.

    Args:
        text: The text.
        source: Name of its file without folders and extensions.
    """
    # No file name holds a NUL, so no two pairs give the same bytes.
    return hashlib.sha256(f"{source}\0{normalised(text)}".encode()).hexdigest()[:32]
