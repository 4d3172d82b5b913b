"""What import and curation left out: counts by reason, and examples."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from synthvlm.report.model import (
    DroppedCaption,
    FilterDrops,
    QuarantinedRecord,
    QuarantineReason,
)
from synthvlm.storage import Shard
from synthvlm.storage.schemas import DROPPED, DROPPED_FILE, QUARANTINE, QUARANTINE_FILE

EXAMPLES = 4
"""Examples for each filter and each reason."""

TEXT_LENGTH = 240
"""Characters of a text that are shown."""

STATISTICS = {
    "alphanumeric_filter": "alnum_ratio",
    "character_repetition_filter": "char_rep_ratio",
    "flagged_words_filter": "flagged_words_ratio",
    "perplexity_filter": "perplexity",
    "special_characters_filter": "special_char_ratio",
    "text_length_filter": "text_len",
    "token_num_filter": "num_token",
    "word_repetition_filter": "word_rep_ratio",
    "words_num_filter": "num_words",
}
"""The statistic that each filter of Data-Juicer judges by."""

_COLUMNS = pa.schema(
    [DROPPED.field(name) for name in ("caption_id", "text", "stats", "dropped_by")]
)
_READ_ROWS = 4096


def shorten(text: str) -> str:
    """The text, or its beginning and its length."""
    if len(text) <= TEXT_LENGTH:
        return text
    return f"{text[:TEXT_LENGTH].rstrip()} … ({len(text):,} characters)"


@dataclass
class _Dropped:
    records: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


class Drops:
    """Counts dropped captions by the first filter that dropped them, and keeps examples of each.

    The examples are those of the lowest ids. Ids are digests of the captions, so this is
    an unbiased sample, and the same each time.
    """

    def __init__(self) -> None:
        self._by_rule: dict[str, _Dropped] = {}
        self._limits: dict[str, tuple[float | None, float | None]] = {}

    def add(self, captions: Shard) -> None:
        """Adds the dropped captions of a CaptionSet shard."""
        for rule, limits in _recipe(captions.manifest.configuration):
            self._limits.setdefault(rule, limits)
        for batch in captions.batches(DROPPED_FILE, _COLUMNS, _READ_ROWS):
            for row in batch.to_pylist():
                dropped = self._by_rule.setdefault(row["dropped_by"][0], _Dropped())
                dropped.records += 1
                dropped.examples.append(row)
            for dropped in self._by_rule.values():
                dropped.examples.sort(key=lambda row: str(row["caption_id"]))
                del dropped.examples[EXAMPLES:]

    def filters(self) -> list[FilterDrops]:
        """The filters in the recipe's order; those that it does not name come last."""
        order = [*self._limits, *sorted(self._by_rule.keys() - self._limits.keys())]
        return [self._filter(rule, self._by_rule.get(rule, _Dropped())) for rule in order]

    def _filter(self, rule: str, dropped: _Dropped) -> FilterDrops:
        statistic = STATISTICS.get(rule, "")
        return FilterDrops(
            rule=rule,
            records=dropped.records,
            statistic=statistic,
            limits=self._limits.get(rule, (None, None)),
            examples=[
                DroppedCaption(
                    shorten(row["text"]), dict(row["stats"]).get(statistic), row["dropped_by"][1:]
                )
                for row in dropped.examples
            ],
        )


def quarantined(counts: Mapping[str, int], shard: Shard | None) -> list[QuarantineReason]:
    """The reasons for which records were quarantined, most frequent first.

    Args:
        counts: Records by reason.
        shard: The quarantine shard; None when there is none.
    """
    examples: dict[str, list[QuarantinedRecord]] = {}
    if shard is not None:
        for batch in shard.batches(QUARANTINE_FILE, QUARANTINE, _READ_ROWS):
            for row in batch.to_pylist():
                kept = examples.setdefault(row["reason"], [])
                if len(kept) < EXAMPLES:
                    kept.append(QuarantinedRecord(row["file"], row["line"], row["excerpt"]))
    return [
        QuarantineReason(reason, records, examples.get(reason, []))
        for reason, records in Counter(counts).most_common()
    ]


def _recipe(
    configuration: Mapping[str, Any],
) -> Iterator[tuple[str, tuple[float | None, float | None]]]:
    """The filters of a CaptionSet's recipe, with their limits."""
    rules: Sequence[Mapping[str, Any]] = configuration.get("recipe", [])
    for rule in rules:
        bounds: dict[str, float | None] = {"min": None, "max": None}
        for name, value in rule["parameters"].items():
            kind = name.partition("_")[0]
            if kind in bounds and not isinstance(value, bool) and value is not None:
                bounds[kind] = None if abs(value) >= sys.maxsize else value
        yield rule["operator"], (bounds["min"], bounds["max"])
