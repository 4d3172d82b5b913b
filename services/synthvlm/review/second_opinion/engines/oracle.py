"""The oracle of the scene world as a second opinion."""

from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from synthvlm.errors import InvalidInput
from synthvlm.review.verdicts import Alignment, Verdict
from synthvlm.scenes.oracle import judge

_MAX_COMMENT = 2000


class Oracle:
    """Reads the scene back from pixels; implements ``SecondOpinion``."""

    name = "oracle"

    def judge(self, image: bytes, media_type: str, caption: str) -> Verdict:
        """Judges a pair; refuses captions that are not in the language of the scene world."""
        try:
            with Image.open(BytesIO(image)) as opened:
                pixels = np.asarray(opened.convert("RGB"))
        except (UnidentifiedImageError, OSError) as error:
            raise InvalidInput(f"this is not a readable {media_type}: {error}") from error
        found = judge(pixels, caption)
        if found.true is None:
            raise InvalidInput(f"the oracle cannot judge this pair: {found.reasons[0]}")
        if found.true:
            return Verdict(Alignment.YES)
        return Verdict(Alignment.NO, comment="; ".join(found.reasons)[:_MAX_COMMENT])
