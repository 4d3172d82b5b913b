"""How selection shifted the mix of captions."""

from typing import Any, Final

import pyarrow as pa

from synthvlm.caption_clusters.shifts import cluster_shifts
from synthvlm.caption_mix import CaptionMix, Shift, length_shifts, thing_shifts, word_shifts
from synthvlm.report.model import MixShift
from synthvlm.storage import Shard
from synthvlm.storage.schemas import CAPTIONS, CAPTIONS_FILE, SELECTION, SELECTION_FILE

WORDS: Final = 16
"""Words that are shown."""

_CAPTION: Final = pa.schema([CAPTIONS.field("text")])
_SELECTED: Final = pa.schema([SELECTION.field("text")])
_READ_ROWS: Final = 16_384


class Mixes:
    """The captions that curation kept, and those that were selected."""

    def __init__(self) -> None:
        self._kept = CaptionMix()
        self._selected = CaptionMix()
        self._strata: list[dict[str, Any]] = []

    def add_kept(self, captions: Shard) -> None:
        """Adds the captions of a CaptionSet shard."""
        for batch in captions.batches(CAPTIONS_FILE, _CAPTION, _READ_ROWS):
            self._kept.add(batch["text"].to_pylist())

    def add_selected(self, selection: Shard) -> None:
        """Adds the captions of a Selection, and the clusters within which it was made, if any."""
        self._strata += selection.manifest.details.get("strata", [])
        for batch in selection.batches(SELECTION_FILE, _SELECTED, _READ_ROWS):
            self._selected.add(batch["text"].to_pylist())

    def shift(self) -> MixShift | None:
        """The shift; None where nothing was kept or selected."""
        kept, selected = self._kept, self._selected
        if not kept.captions or not selected.captions:
            return None
        return MixShift(
            mean_words=(kept.mean_words, selected.mean_words),
            lengths=length_shifts(kept, selected),
            things=thing_shifts(kept, selected),
            words=word_shifts(kept, selected, WORDS),
            clusters=self._strata_shifts() or cluster_shifts(kept, selected),
        )

    def _strata_shifts(self) -> list[Shift]:
        totals = [sum(one[key] for one in self._strata) for key in ("captions", "selected")]
        return [
            Shift(one["name"], one["captions"] / totals[0], one["selected"] / totals[1])
            for one in self._strata
        ]
