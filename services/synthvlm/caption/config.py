"""Settings of the caption service; the profile's section ``caption`` holds the same keys."""

from synthvlm.serving.settings import ServiceSettings


class CaptionSettings(ServiceSettings):
    """Settings of the caption service."""

    recipe: str = "paper-rules"
    """Recipe of requests that bring none: a shipped one's name, or a YAML file."""
    caption_roots: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Folders and object-store URLs at or below which caption files, lists of words and tokenizers
    may be read, besides store_roots; none by default."""
