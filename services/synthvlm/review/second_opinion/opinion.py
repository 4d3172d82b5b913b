"""What a model must be able to do to give a second opinion."""

from typing import Protocol

from synthvlm.review.verdicts import Verdict


class SecondOpinion(Protocol):
    """A model that judges pairs."""

    @property
    def name(self) -> str:
        """The name under which its verdicts are recorded."""

    def judge(self, image: bytes, media_type: str, caption: str) -> Verdict:
        """Judges a pair.

        Args:
            image: The encoded image.
            media_type: ``image/jpeg``, ``image/png`` or ``image/webp``.
            caption: The caption.

        Raises:
            InvalidInput: The model does not judge this pair, nor will it if it is asked again.
            Unavailable: The model cannot answer now.
        """
