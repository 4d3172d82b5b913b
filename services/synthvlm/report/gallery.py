"""Pairs as the page shows them: texts and images, fetched for the chosen few."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synthvlm.errors import DataCorrupt
from synthvlm.report.drops import shorten
from synthvlm.report.extremes import Row
from synthvlm.report.model import SCORES, PairCard
from synthvlm.report.pictures import data_uri, read_image
from synthvlm.report.record import RunShard
from synthvlm.storage import Store, open_shard
from synthvlm.storage.schemas import CAPTIONS, CAPTIONS_FILE, IMAGES, IMAGES_FILE, IMAGES_TAR

_PLACE = pa.schema(
    [IMAGES.field(name) for name in ("image_id", "media_type", "offset", "size", "sha256")]
)
_TEXT = pa.schema([CAPTIONS.field("caption_id"), CAPTIONS.field("text")])
_READ_ROWS = 16_384


class Cards:
    """Makes cards from rows of scores.

    Args:
        store: Where the run's shards are.
        shards: The run's shards; a row's ``chain`` is a place among them.
        ranks: Ranks of the selected images among the rows, from 1, by image id.
    """

    def __init__(self, store: Store, shards: Sequence[RunShard], ranks: Mapping[str, int]) -> None:
        self._store = store
        self._shards = shards
        self._ranks = ranks
        self._texts: dict[str, str] = {}
        self._places: dict[str, dict[str, Any]] = {}

    def fetch(self, rows: Iterable[Row]) -> None:
        """Looks up texts and images for rows that will become cards, reading each shard once.

        Raises:
            DataCorrupt: A shard is damaged.
        """
        by_chain: dict[int, list[Row]] = {}
        for row in rows:
            by_chain.setdefault(row["chain"], []).append(row)
        for chain, members in sorted(by_chain.items()):
            shard = self._shards[chain]
            captions = open_shard(self._store, shard.caption_set)
            images = open_shard(self._store, shard.image_set)
            wanted = pa.array(sorted({row["caption_id"] for row in members}))
            for batch in captions.batches(CAPTIONS_FILE, _TEXT, _READ_ROWS):
                found = batch.filter(pc.is_in(batch["caption_id"], wanted)).to_pylist()
                self._texts |= {row["caption_id"]: row["text"] for row in found}
            wanted = pa.array(sorted({row["image_id"] for row in members}))
            for batch in images.batches(IMAGES_FILE, _PLACE, _READ_ROWS):
                found = batch.filter(pc.is_in(batch["image_id"], wanted)).to_pylist()
                tar = images.path(IMAGES_TAR)
                self._places |= {row["image_id"]: {**row, "tar": tar} for row in found}

    def card(self, row: Row) -> PairCard:
        """The card of a row that was fetched.

        Raises:
            DataCorrupt: Its caption or image is damaged, or missing from its shards.
        """
        try:
            text, place = self._texts[row["caption_id"]], self._places[row["image_id"]]
        except KeyError:
            raise DataCorrupt(
                f"the image {row['image_id']} has scores, but is not stored"
            ) from None
        data = read_image(
            self._store, place["tar"], place["offset"], place["size"], place["sha256"]
        )
        uri, width, height = data_uri(data, place["media_type"])
        return PairCard(
            image=uri,
            width=width,
            height=height,
            caption=shorten(text),
            image_id=row["image_id"],
            repeat=row["repeat"],
            scores={name: row[name] for name in SCORES},
            selected=row["image_id"] in self._ranks,
            rank=self._ranks.get(row["image_id"]),
        )

    def cards(self, rows: Sequence[Row]) -> list[PairCard]:
        """The cards of rows that were fetched."""
        return [self.card(row) for row in rows]
