"""The verdicts of a campaign as files, for its owner alone."""

import json
import xml.etree.ElementTree as ET

import pytest

from synthvlm.review.campaigns.creation import NewCampaign
from synthvlm.review.campaigns.views import Entry
from synthvlm.review.exchange.label_studio import from_tasks
from synthvlm.review.exchange.tables import from_csv, from_parquet
from synthvlm.review.people import OPERATOR, Person, Role, token_digest
from synthvlm.review.sampling.design import CampaignDesign
from synthvlm.review.verdicts import Alignment, Verdict
from synthvlm.storage import parse_location
from tests.review.web.site import sign_in, visit

EVA = Person("eva", Role.ANNOTATOR)


@pytest.fixture(scope="module")
def judged(campaign):
    """A campaign after Eva has judged three pairs, one of them twice."""
    reviews, other = campaign
    known = reviews.campaign(OPERATOR, other)
    made = reviews.create(
        OPERATOR,
        NewCampaign(
            parse_location(known.store_uri),
            known.source,
            CampaignDesign(title="Files", sample_size=5, verdicts_per_pair=1),
        ),
    )
    campaign_id = reviews.open(OPERATOR, made.campaign_id).campaign_id
    pairs = [pair.pair_id for pair in reviews.lease(EVA, campaign_id, 3).pairs]
    no, yes = Verdict(Alignment.NO, comment="=1+1"), Verdict(Alignment.YES)
    entries = [(pairs[0], no), (pairs[1], yes), (pairs[2], yes), (pairs[0], yes)]
    reviews.submit(
        EVA,
        campaign_id,
        [Entry(pair, f"e{n}", said, 900) for n, (pair, said) in enumerate(entries)],
    )
    return reviews, campaign_id


@pytest.fixture
def owner(judged):
    browser = visit(judged[0])
    assert sign_in(browser, annotator="olga") == 303
    return browser


def get(browser, judged, name):
    answer = browser.get(f"/campaigns/{judged[1]}/{name}")
    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    return answer


def of_eva(entries):
    return [(one.alignment, one.stands) for one in entries if one.annotator == "eva"]


def test_csv_and_parquet_hold_every_entry(judged, owner) -> None:
    table = from_csv(get(owner, judged, "verdicts.csv").content).entries
    assert of_eva(table) == [("no", False), ("yes", True), ("yes", True), ("yes", True)]
    assert from_parquet(get(owner, judged, "verdicts.parquet").content).entries == table


def test_the_owners_page_links_to_all_files(judged, owner) -> None:
    page = owner.get(f"/campaigns/{judged[1]}/overview").text
    for name in ("verdicts.csv", "verdicts.parquet", "label-studio.json"):
        assert f'href="/campaigns/{judged[1]}/{name}"' in page


def test_label_studio_gets_what_stands_and_is_told_what_is_left_out(judged, owner) -> None:
    answer = get(owner, judged, "label-studio.json?images=https://images.example/")
    assert of_eva(from_tasks(answer.content).entries) == [("yes", True)] * 3
    assert "1 entries that were changed or taken back" in answer.headers["x-left-out"]
    task = json.loads(answer.content)[0]["data"]
    assert task["image"] == f"https://images.example/{task['image_id']}"
    ET.fromstring(get(owner, judged, "label-studio.xml").content)


def test_nobody_else_gets_them(judged) -> None:
    reviews, campaign_id = judged
    people = {token_digest("secret"): EVA}
    browser = visit(reviews, lambda: people)
    path = f"/campaigns/{campaign_id}/verdicts.csv"
    assert browser.get(path).status_code == 303
    assert sign_in(browser, token="secret") == 303
    assert browser.get(path).status_code == 403
