"""Images that claim one thing and hold another, as pairs to score."""

import io
import zlib
from collections.abc import Callable, Sequence
from random import Random

from PIL import Image

from synthvlm.alignment.v1 import alignment_pb2 as pb
from tests.attack.mutation import mutated
from tests.hostile_images import chunk, png, png_header, progressive, webp_header
from tests.image_sets import picture

KINDS = ["PNG", "JPEG", "WEBP"]
SIDES = [0, 1, 7, 8, 9, 64, 256, 257, 4000, 4001, 16_384, 16_385, 65_535, 2_000_000, 2**31 - 1]


def _damaged(random: Random) -> bytes:
    kind = random.choice([*KINDS, "GIF", "TIFF", "BMP"])
    mode = random.choice(["RGB", "L", "1", "P"]) if kind in ("PNG", "GIF") else "RGB"
    side = random.choice([8, 24, 64, 300])
    return mutated(random, picture(random.randrange(100), side=side, kind=kind, mode=mode))


def _claims(random: Random) -> bytes:
    width, height = random.choice(SIDES), random.choice(SIDES)
    if random.randrange(2):
        return png_header(width, height)
    return webp_header(max(1, width) % 2**24, max(1, height) % 2**24)


def _long(random: Random) -> bytes:
    sides = [random.choice([100_000, 500_000, 2_000_000]), 8]
    random.shuffle(sides)
    width, height = sides
    return png(width, height, bytes(height * (1 + 3 * width)), interlaced=random.randrange(2) == 1)


def _too_much(random: Random) -> bytes:
    """More pixels, metadata or parts than the header says."""
    pixels = bytes(random.choice([0, 8 * 25, 2**24]))
    bomb = b"a\0\0" + zlib.compress(bytes(2 ** random.randrange(10, 26)))
    kind = random.choice([b"iCCP", b"zTXt", b"iTXt", b"tEXt", b"eXIf", b"acTL", b"PLTE", b"abCd"])
    data = random.choice([b"", b"\0" * 100, bomb])
    times = random.choice([1, 100, 25_000]) if len(data) < 1000 else 1
    return png(8, 8, pixels, more=chunk(kind, data) * times)


def _scans(random: Random) -> bytes:
    side = random.choice([8, 64, 1000])
    return progressive(random.choice([3, 64, 65, 5000]), side=side)


def _segments(random: Random) -> bytes:
    data = picture(1, kind="JPEG")
    marker = bytes([0xFF, random.choice([0xE0, 0xE1, 0xED, 0xFE, 0xDB, 0xC4, 0xD9, 0x01, 0xFF])])
    body = random.choice([b"\x00\x0cExif\0\0abcd", b"\xff\xff", b"", b"\x00\x02", bytes(70)])
    return data[:2] + (marker + body) * random.choice([1, 255, 257, 50_000]) + data[2:]


def _several(random: Random) -> bytes:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames *= random.choice([1, 50])
    buffer = io.BytesIO()
    frames[0].save(
        buffer, random.choice(["PNG", "WEBP", "GIF"]), save_all=True, append_images=frames[1:]
    )
    return mutated(random, buffer.getvalue()) if random.randrange(2) else buffer.getvalue()


def _large(random: Random) -> bytes:
    """As large as is allowed, of one colour."""
    buffer = io.BytesIO()
    side = random.choice([1000, 4000])
    Image.new(random.choice(["L", "RGB"]), (side, side), 7).save(buffer, random.choice(KINDS))
    return buffer.getvalue()


_RARE: Sequence[Callable[[Random], bytes]] = [_long, _too_much, _scans, _segments, _several, _large]


def any_image(random: Random) -> bytes:
    """An image, most likely one that cannot be used."""
    if random.randrange(3):
        return random.choice([_damaged, _damaged, _claims])(random)
    return random.choice(_RARE)(random)


def pairs(random: Random) -> bytes:
    """A request to score such an image, perhaps among good ones."""
    images = [any_image(random), *[picture(n) for n in range(random.randrange(3))]]
    random.shuffle(images)
    request = pb.ScorePairsRequest(
        pairs=[pb.Pair(image=image, caption="a red circle") for image in images]
    )
    return request.SerializeToString()
