"""Seeds and image ids: any image can be regenerated alone, whatever batch it was in."""

import hashlib

from synthvlm.generation.engine import Sampling
from synthvlm.storage.digests import canonical_json


def image_seed(caption_id: str, repeat: int, run_seed: int) -> int:
    """Seed of the initial noise of one image: 63 bits of SHA-256.

    torch's CPU generator (MT19937) uses only the low 32 bits, as in every diffusers program. Two
    seeds that agree in them start from the same noise; for hashed seeds and different captions that
    is rare and harmless.

    Args:
        caption_id: The caption's id, which is a hash of its text.
        repeat: Number of the repeat, from 0.
        run_seed: Seed of the run, 0 to 2^63-1.
    """
    identity = canonical_json({"caption_id": caption_id, "repeat": repeat, "run_seed": run_seed})
    return int.from_bytes(hashlib.sha256(identity).digest()[:8], "big") >> 1


def image_id(
    caption_id: str,
    repeat: int,
    seed: int,
    model_digest: str,
    sampling: Sampling,
    image_format: str,
) -> str:
    """Id of one image: 32 hexadecimal digits of the hash of everything that it is made from.

    It has no dots, so that it can be a WebDataset key. ``repeat`` counts from 0; ``image_format``
    is ``jpeg``, ``png`` or ``webp``.
    """
    identity = {
        "caption_id": caption_id,
        "repeat": repeat,
        "seed": seed,
        "model_digest": model_digest,
        "sampling": sampling.to_json(),
        "format": image_format,
    }
    return hashlib.sha256(canonical_json(identity)).hexdigest()[:32]
