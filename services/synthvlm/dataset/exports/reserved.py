"""Words that mean something to the readers of a form, and so must not stand in its captions.

===========  =====================================================================================
form         reserved in a caption
===========  =====================================================================================
llava        Placeholders: every ``<image>`` becomes an image token, and other trainers read
             ``<video>``, ``<audio>``, ``<im_start>``, ``<im_patch>``, ``<im_end>`` alike.
             Special tokens of the language models: ``<s>``, ``</s>``, ``<unk>``, ``<pad>``,
             ``<bos>``, ``<eos>``, ``<start_of_turn>``, ``<end_of_turn>``, and all of the form
             ``<|name|>``. Marks of the conversation's turns: ``###``, ``[INST]``, ``[/INST]``,
             ``<<SYS>>``, ``<</SYS>>``, and a role at its colon: ``USER:``, ``ASSISTANT:``,
             ``SYSTEM:``, ``HUMAN:``, ``Human:``, ``Assistant:``.
webdataset   nothing: a caption is a member of its own, so its bytes mean nothing to readers. Keys
             are image ids, which have neither dots nor slashes and begin with no underscore.
parquet      nothing: a caption is a value of a column.
===========  =====================================================================================
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

_LLAVA = (
    r"</?(?:s|unk|pad|bos|eos|image|video|audio|im_start|im_patch|im_end)>",
    r"<(?:start|end)_of_turn>",
    r"<\|[^<>|\s]{1,64}\|>",
    r"\[/?INST\]",
    r"<</?SYS>>",
    r"###",
    r"(?<![A-Za-z0-9])(?:USER|ASSISTANT|SYSTEM|HUMAN|Human|Assistant)\s*:",
)
_PUNCTUATION = re.compile(r"[^\w\s]|_")
_SPACES = re.compile(r"[ \t]{2,}")


class ExportFormat(StrEnum):
    """Forms of export, under the names that the command line has for them."""

    WEBDATASET = "webdataset"
    LLAVA = "llava"
    PARQUET = "parquet"


RESERVED: dict[ExportFormat, re.Pattern[str] | None] = {
    ExportFormat.WEBDATASET: None,
    ExportFormat.LLAVA: re.compile("|".join(_LLAVA)),
    ExportFormat.PARQUET: None,
}
"""The reserved words of each form; None: there are none."""


class ReservedRule(StrEnum):
    """What becomes of a caption with a reserved word."""

    DROP = "drop"
    """Its pair is set aside."""

    NEUTRALISE = "neutralise"
    """The words' punctuation is taken out, so that they are words like any other."""


@dataclass
class Guard:
    """Looks at the captions of one export, and counts what it finds.

    Attributes:
        pattern: The form's reserved words.
        rule: What becomes of a caption with one.
        set_aside: Pairs that were left out.
        changed: Captions that were changed.
        words: In how many captions each word was found.
    """

    pattern: re.Pattern[str] | None
    rule: ReservedRule
    set_aside: int = 0
    changed: int = 0
    words: Counter[str] = field(default_factory=Counter)

    def passed(self, text: str) -> str | None:
        """The caption as it may be exported; None when its pair is to be set aside."""
        found = reserved_words(text, self.pattern)
        if not found:
            return text
        self.words.update(found)
        harmless = neutralised(text, self.pattern) if self.rule is ReservedRule.NEUTRALISE else ""
        if not harmless:
            self.set_aside += 1
            return None
        self.changed += 1
        return harmless


def reserved_words(text: str, pattern: re.Pattern[str] | None) -> list[str]:
    """The reserved words in a caption, each once, sorted."""
    return sorted({match[0] for match in pattern.finditer(text)}) if pattern is not None else []


def neutralised(text: str, pattern: re.Pattern[str] | None) -> str:
    """The caption without the punctuation that makes words reserved.

    Words that only come about by that are neutralised, too. A caption without reserved words is
    left as it is; one that consists of nothing but punctuation becomes empty.
    """
    if pattern is None or not pattern.search(text):
        return text
    while pattern.search(text):
        text = pattern.sub(lambda match: _PUNCTUATION.sub(" ", match[0]), text)
    return _SPACES.sub(" ", text).strip()
