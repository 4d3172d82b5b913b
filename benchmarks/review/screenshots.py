"""Takes the pictures of the page that ``docs/review.md`` shows.

    python -m benchmarks.review.screenshots --into docs/images

Three annotators judge a Selection of scenes as the oracle does, but for one verdict in twelve.
"""

from __future__ import annotations

import argparse
import io
import random
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page

from synthvlm.client import ReviewClient, connect
from synthvlm.review.sampling.sources import open_source
from synthvlm.review.v1 import review_pb2 as pb
from synthvlm.scenes.oracle import judge
from synthvlm.storage import open_store, parse_location
from tests.review.web.annotator import DESKTOP, PHONE, Annotator, chromium
from tests.review.web.running import ROLES, Running, running_service

_ERROR_RATE = 1 / 12
_GOLD = 16
_REASONS = (
    pb.REASON_WRONG_OBJECT,
    pb.REASON_COLOUR,
    pb.REASON_COLOUR,
    pb.REASON_COUNT,
    pb.REASON_RELATION,
)


def main() -> None:
    """Writes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--into", type=Path, required=True)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder), pairs=160, scale=4, more=()) as service,
        chromium() as browser,
    ):
        campaign = service.campaign(
            _gold(service),
            title="shapes@1: is it true?",
            instructions="Judge what is shown, not how beautiful it is.",
            sample_size=140,
            verdicts_per_pair=3,
            gold_share=0.1,
        )
        for name, pairs in zip(ROLES, (156, 138, 120), strict=True):
            _judge(service, campaign, name, pairs)
        for scheme in ("light", "dark"):
            _take(service, browser, campaign, scheme, given.into)


def _truth(image: bytes, caption: str) -> bool:
    with Image.open(io.BytesIO(image)) as opened:
        return bool(judge(np.asarray(opened.convert("RGB").resize((64, 64))), caption).true)


def _gold(service: Running) -> dict[str, pb.Alignment]:
    """Pairs whose truth the oracle tells."""
    store = open_store(parse_location(service.store))
    pairs = open_source(store, service.selection, "source").pairs.to_pylist()
    return {
        row["image_id"]: (
            pb.ALIGNMENT_YES
            if _truth(store.read_range(row["place"], row["offset"], row["size"]), row["text"])
            else pb.ALIGNMENT_NO
        )
        for row in pairs[-_GOLD:]
    }


def _judge(service: Running, campaign: str, name: str, pairs: int) -> None:
    rng = random.Random(name)
    with ReviewClient(connect(service.process.address, token=name)) as client:
        for _ in range(pairs):
            leased = client.lease_pairs(pb.LeasePairsRequest(campaign_id=campaign, count=1)).pairs
            if not leased:
                return
            pair = leased[0]
            image = client.get_image(
                pb.GetImageRequest(campaign_id=campaign, pair_id=pair.pair_id)
            ).image
            right = _truth(image, pair.caption) != (rng.random() < _ERROR_RATE)
            verdict = pb.Verdict(alignment=pb.ALIGNMENT_YES, quality=rng.choice([3, 4, 4, 5]))
            if not right:
                verdict.alignment = rng.choice([pb.ALIGNMENT_NO, pb.ALIGNMENT_PARTLY])
                verdict.reasons.append(rng.choice(_REASONS))
            client.submit_verdicts(
                pb.SubmitVerdictsRequest(
                    campaign_id=campaign,
                    verdicts=[
                        pb.SubmittedVerdict(
                            pair_id=pair.pair_id,
                            request_id=f"{name}-{pair.pair_id}",
                            verdict=verdict,
                            duration_milliseconds=rng.randrange(700, 2500),
                        )
                    ],
                )
            )


def _take(service: Running, browser: Browser, campaign: str, scheme: str, into: Path) -> None:
    olga = Annotator(browser, service.origin, "olga", color_scheme=scheme)
    olga.open(campaign)
    olga.page.keyboard.press("y")
    olga.wait_saved()
    olga.page.keyboard.press("2")
    _save(olga.page, into / f"review-{scheme}.png")
    olga.page.goto(f"{service.origin}/campaigns/{campaign}/overview")
    olga.page.set_viewport_size({"width": DESKTOP["width"], "height": 1400})
    olga.page.wait_for_selector("#rate-title")
    _save(olga.page, into / f"review-owner-{scheme}.png")
    olga.close()
    ann = Annotator(
        browser,
        service.origin,
        "bob",
        viewport=PHONE,
        color_scheme=scheme,
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
    )
    ann.open(campaign)
    _save(ann.page, into / f"review-phone-{scheme}.png")
    ann.close()


def _save(page: Page, path: Path) -> None:
    """As PNG with a palette, which takes a third of the bytes and looks the same."""
    page.wait_for_timeout(800)
    taken = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
    palette = taken.convert("RGB").quantize(
        256, method=Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE
    )
    palette.save(path, optimize=True)


if __name__ == "__main__":
    main()
