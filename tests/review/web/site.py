"""A site over a real campaign of scenes, without a network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.testclient import TestClient

from synthvlm.review.campaigns.creation import NewCampaign
from synthvlm.review.migrations import MIGRATIONS
from synthvlm.review.people import OPERATOR, Person
from synthvlm.review.reviews import Reviews
from synthvlm.review.sampling.design import CampaignDesign
from synthvlm.review.web.app import web_application
from synthvlm.review.web.settings import WebSettings
from synthvlm.sql.database import open_database
from synthvlm.sql.settings import DatabaseSettings
from synthvlm.storage import file_location, open_store
from tests.report.reported_run import make_run

ORIGIN = "http://127.0.0.1:8000"
HTML = {"accept": "text/html"}
HOSTILE = "a red circle <script>document.title='owned'</script> & a \"blue\" square"
"""A caption that tries to be more than text."""


def make_reviews(folder: Path, pairs: int = 60, scale: int = 1) -> tuple[Reviews, str]:
    """A service's logic with one open campaign of scenes; also the campaign's id."""
    location = file_location(folder / "store")
    store = open_store(location)
    run = make_run(
        store, captions=3 * pairs // 2, repeats=1, top_k=pairs, more=[HOSTILE], scale=scale
    )
    database = open_database(
        DatabaseSettings(database=f"sqlite:///{folder}/review.sqlite"), MIGRATIONS
    )
    reviews = Reviews(database, [store.uri])
    design = CampaignDesign(title="Shapes <b>of</b> July", sample_size=pairs, verdicts_per_pair=2)
    made = reviews.create(OPERATOR, NewCampaign(location, run.selection, design))
    reviews.open(OPERATOR, made.campaign_id)
    return reviews, made.campaign_id


def visit(
    reviews: Reviews,
    people: Callable[[], Mapping[str, Person]] | None = None,
    settings: WebSettings | None = None,
    origin: str = ORIGIN,
) -> TestClient:
    """A browser without a script, at the site."""
    application = web_application(reviews, settings or WebSettings(), people, [origin])
    return TestClient(
        application, base_url=origin, headers={"origin": origin, **HTML}, follow_redirects=False
    )


def sign_in(client: TestClient, **fields: str) -> int:
    """Sends the form; the status of the answer."""
    return client.post("/sign-in", data=fields).status_code


def csrf(client: TestClient, path: str = "/") -> str:
    """The token of the session, as a page carries it."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]
