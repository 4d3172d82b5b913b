"""Pairs as annotators see them."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from synthvlm.errors import DataCorrupt, NotFound, PreconditionFailed
from synthvlm.review.campaigns.models import Campaign, Pair, Picture
from synthvlm.review.campaigns.views import Image, ShownImage, ShownPair
from synthvlm.review.verdicts import Side
from synthvlm.storage import Store, sha256_digest
from synthvlm.storage.manifest import damaged

MAX_IMAGE_BYTES: Final = 32 * 2**20
"""Most bytes of an image that is shown."""


_PAIRS = select(Pair.id, Pair.caption, Pair.mirrored).where(
    Pair.id.in_(bindparam("pairs", expanding=True))
)
_PICTURES = select(Picture.__table__).where(Picture.pair.in_(bindparam("pairs", expanding=True)))


def shown_pairs(session: Session, pairs: Sequence[int]) -> list[ShownPair]:
    """Pairs by their ids, in that order."""
    rows = {row.id: row for row in session.execute(_PAIRS, {"pairs": pairs})}
    images = {
        (row.pair, row.side): _image(row) for row in session.execute(_PICTURES, {"pairs": pairs})
    }
    return [
        ShownPair(
            pair,
            rows[pair].caption,
            images[pair, stored_side(Side.LEFT, rows[pair].mirrored, (pair, 2) in images)],
            images.get((pair, stored_side(Side.RIGHT, rows[pair].mirrored, True))),
        )
        for pair in pairs
    ]


def stored_side(side: Side, mirrored: bool, compared: bool) -> Side:
    """Where the image lies that is shown on a side."""
    return side.other() if mirrored and compared else side


def find_picture(session: Session, campaign: Campaign, pair_id: int, side: Side) -> Picture:
    """Where the image lies that is shown on a side of a pair.

    Raises:
        NotFound: There is none.
    """
    query = (
        select(Picture, Pair.mirrored)
        .join(Pair, Pair.id == Picture.pair)
        .where(Pair.id == pair_id, Pair.campaign == campaign.id)
    )
    rows = session.execute(query).all()
    mirrored = any(row.mirrored for row in rows)
    stored = {row.Picture.side: row.Picture for row in rows}
    found: Picture | None = stored.get(stored_side(side, mirrored, len(rows) > 1))
    if found is None:
        raise NotFound(f"the campaign has no such image of a pair {pair_id}")
    return found


def read_picture(store: Store, picture: Picture) -> Image:
    """The image itself.

    Raises:
        PreconditionFailed: It is too large to be shown.
        DataCorrupt: It is gone or damaged.
    """
    if picture.size > MAX_IMAGE_BYTES:
        raise PreconditionFailed(
            f"the image {picture.image_id} has {picture.size} bytes; at most {MAX_IMAGE_BYTES} are "
            f"shown"
        )
    try:
        data = store.read_range(picture.path, picture.offset, picture.size)
    except NotFound as error:
        raise DataCorrupt(f"{picture.path} in {store.uri} is gone") from error
    if sha256_digest(data) != picture.sha256:
        raise DataCorrupt(damaged(store, picture.path, f"image {picture.image_id}"))
    return Image(data, picture.media_type, picture.sha256)


def _image(row: Any) -> ShownImage:
    return ShownImage(row.sha256, row.media_type, row.size, row.width, row.height)
