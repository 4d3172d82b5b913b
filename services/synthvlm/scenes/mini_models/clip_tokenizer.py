"""CLIP's byte-level BPE with a vocabulary of the scene world, for mini-sdxl and mini-clip.

Every word of the world is one token; other text falls back to pieces of words and bytes.
"""

from typing import Final

from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer

from synthvlm.scenes.grammar import VOCABULARY

CONTEXT: Final = 77
BOS: Final = "<|startoftext|>"
EOS: Final = "<|endoftext|>"
WORD_END: Final = "</w>"
# Words of prompts, questions and answers beyond the captions' own.
_MORE_WORDS: Final = (
    "photo depicts picture image drawing shape shapes object objects colour color background what "
    "which how many where who yes no not is are was does do has have it they that those these with "
    "without of to from for by or but so very more less than same other another each every any "
    "some none only just near far next between behind front side center centre corner edge true "
    "false question answer describe correct wrong"
).split()


def build_tokenizer(pad_token: str = EOS) -> CLIPTokenizer:
    """Makes the tokenizer.

    Args:
        pad_token: SDXL's first tokenizer pads with the end token, its second with ``!``.
    """
    # The byte alphabet; "!" comes first so that its id is 0, as in the original CLIP.
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = dict.fromkeys([*alphabet, *(c + WORD_END for c in alphabet)])
    merges: list[tuple[str, str]] = []
    for word in sorted({*VOCABULARY, *_MORE_WORDS}):
        pieces = [*word[:-1], word[-1] + WORD_END]
        while len(pieces) > 1:
            # Merging from the right, so that words share their endings.
            pair = (pieces[-2], pieces[-1])
            pieces[-2:] = ["".join(pair)]
            if pair not in merges:
                merges.append(pair)
                tokens["".join(pair)] = None
    vocabulary = {token: i for i, token in enumerate([*tokens, BOS, EOS])}
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=EOS,
        pad_token=pad_token,
        model_max_length=CONTEXT,
    )
