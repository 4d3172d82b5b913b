"""What makes two captions the same, and the id that follows from it."""

import hashlib
import unicodedata

from synthvlm.storage import canonical_json


def normalised(text: str) -> str:
    """The text in Unicode's composed form (NFC), white space collapsed to single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def caption_id(text: str, source_id: str | None) -> str:
    """Id of a caption: 32 hexadecimal digits of SHA-256 over what it is, not where it came from.

    Args:
        text: The text.
        source_id: The identifier that its file gives it; None: it gives none. The same text under
            two identifiers is two captions, and so are two texts under the same one.
    """
    content = [normalised(text)] if source_id is None else [normalised(text), source_id]
    return hashlib.sha256(canonical_json(content)).hexdigest()[:32]
