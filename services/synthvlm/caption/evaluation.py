"""Verdicts for every caption of a file; nothing is stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from synthvlm.caption.readers import CaptionFile, CaptionRecord, Unreadable, read_records
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
    """

    captions: Sequence[CaptionRecord]
    verdicts: Verdicts
    unreadable: Sequence[Unreadable]


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

    def judged(self, recipe: Recipe) -> Evaluation:
        """The batch with its verdicts."""
        verdicts = judge(recipe.rules, [caption.text for caption in self.captions])
        return Evaluation(self.captions, verdicts, self.unreadable)


def evaluate_file(
    file: CaptionFile, column: str, recipe: Recipe, reporter: Reporter
) -> Iterator[Evaluation]:
    """Judges the captions of a file, in order, as they are read.

    Args:
        file: The file.
        column: Name of the text column or key; empty: ``caption``, else ``text``.
        recipe: The rules.
        reporter: Checked for cancellation.

    Raises:
        InvalidInput: The file cannot be used; see ``read_records``.
        OperationCancelled: The caller has gone.
    """
    batch = _Batch()
    for record in read_records(file, column):
        if batch.add(record):
            reporter.check()
            yield batch.judged(recipe)
            batch = _Batch()
    yield batch.judged(recipe)
