"""Verdicts for every caption of a file; nothing is stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from synthvlm.caption.readers import (
    CaptionFile,
    CaptionRecord,
    Layout,
    Notice,
    Notices,
    Unreadable,
    read_records,
)
from synthvlm.caption.recipe import Recipe
from synthvlm.caption.rules import Verdicts, judge
from synthvlm.progress import Reporter

_BATCH_RECORDS = 1000
_BATCH_CHARACTERS = 1 << 18
"""A batch is sent in one message: with one more record of at most 1 MiB, and with statistics, it
stays far below gRPC's limit of 4 MiB."""


@dataclass(frozen=True)
class Evaluation:
    """Verdicts for some records of a file.

    Attributes:
        captions: The captions, in the file's order.
        verdicts: The rules' verdicts on them.
        unreadable: The records among them that could not be read.
        notices: What is worth knowing of the file; with the last records only.
    """

    captions: Sequence[CaptionRecord]
    verdicts: Verdicts
    unreadable: Sequence[Unreadable]
    notices: Sequence[Notice] = ()


@dataclass
class _Batch:
    captions: list[CaptionRecord] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    characters: int = 0

    def add(self, record: CaptionRecord | Unreadable) -> bool:
        """Adds a record; returns whether the batch is full."""
        if isinstance(record, CaptionRecord):
            self.captions.append(record)
            self.characters += len(record.text)
        else:
            self.unreadable.append(record)
        records = len(self.captions) + len(self.unreadable)
        return records >= _BATCH_RECORDS or self.characters >= _BATCH_CHARACTERS

    def judged(self, recipe: Recipe, notices: Sequence[Notice] = ()) -> Evaluation:
        """The batch with its verdicts."""
        verdicts = judge(recipe.rules, [caption.text for caption in self.captions])
        return Evaluation(self.captions, verdicts, self.unreadable, notices)


def evaluate_file(
    file: CaptionFile, layout: Layout, recipe: Recipe, reporter: Reporter
) -> Iterator[Evaluation]:
    """Judges the captions of a file, in order, as they are read.

    Args:
        file: The file.
        layout: What the caller says of its layout. The recipe's ``text_keys`` names the text where
            the caller does not.
        recipe: The rules.
        reporter: Checked for cancellation.

    Raises:
        InvalidInput: The file cannot be used; see ``read_records``.
        OperationCancelled: The caller has gone.
    """
    if not layout.column:
        layout = replace(layout, column=recipe.text_key)
    notices = Notices(file.name)
    batch = _Batch()
    for record in read_records(file, layout, notices):
        if batch.add(record):
            reporter.check()
            yield batch.judged(recipe)
            batch = _Batch()
    yield batch.judged(recipe, notices.all())
