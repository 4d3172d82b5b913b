"""Tokenizers to write conversations with: mini-llm's, and one that cuts as Llama's does."""

from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from synthvlm.model_folders import resolve_model

_WORDS = ("▁red", "▁blue", "▁USER", "USER", "▁ASSISTANT", "▁what", "▁colour", "▁A", "▁chat", "what")


@cache
def mini_tokenizer():
    return AutoTokenizer.from_pretrained(resolve_model("bundled:mini-llm"))


@cache
def llama_style_tokenizer(*joined):
    """Sentencepiece's way in small: a blank is a part of the word after it, each text begins with
    one, letters that are not known are bytes, and a line break is always a byte.

    ``joined``: pairs of tokens that it makes one.
    """
    letters = sorted({letter for word in _WORDS for letter in word} | set(":?.,"))
    vocabulary = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    merges = []
    for word in _WORDS:
        for end in range(2, len(word) + 1):
            merge = (word[: end - 1], word[end - 1])
            if merge not in merges:
                merges.append(merge)
            if word[:end] not in vocabulary:
                vocabulary.append(word[:end])
    for pair in joined:
        merges.append(pair)
        vocabulary.append("".join(pair))
    tokenizer = Tokenizer(
        models.BPE(
            {token: number for number, token in enumerate(vocabulary)},
            merges,
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.ByteFallback()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
        clean_up_tokenization_spaces=False,
    )
