"""What the page takes from a browser: bounded, from its own pages alone, and never as a path."""

import json
import re

import pytest
from pydantic import ValidationError

from synthvlm.review.web.protection import MAX_BODY_BYTES
from synthvlm.review.web.settings import WebSettings
from tests.contracts.words import PACKAGE
from tests.review.web.site import HOSTILE, csrf, sign_in, visit


@pytest.fixture
def client(campaign):
    """Ann, who has signed in."""
    browser = visit(campaign[0])
    assert sign_in(browser, annotator="ann") == 303
    browser.headers["x-csrf-token"] = csrf(browser)
    return browser


@pytest.fixture
def lease(campaign, client):
    """Pairs that Ann holds."""
    answer = client.post(f"/campaigns/{campaign[1]}/lease", json={"count": 5})
    assert answer.status_code == 200
    return answer.json()


def verdict(pair, number=1, **values):
    return {"kind": "verdict", "pair": pair, "id": f"r{number}", "alignment": "yes", **values}


def test_no_answer_may_run_or_load_what_is_not_ours(campaign, client, lease):
    paths = ["/", f"/campaigns/{campaign[1]}", "/static/annotate.js", "/nowhere"]
    for path in [*paths, lease["pairs"][0]["images"][0]["url"]]:
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<script(?![^>]* src=)| style=| on[a-z]+=", answer.text)


def test_texts_are_escaped(campaign, client):
    page = client.get(f"/campaigns/{campaign[1]}").text
    assert "Shapes &lt;b&gt;of&lt;/b&gt; July" in page
    found = client.post(f"/campaigns/{campaign[1]}/lease", json={"count": 100}).json()
    captions = [pair["caption"] for pair in found["pairs"]]
    assert HOSTILE in captions  # as JSON, which the script writes as text


def test_an_image_is_cached_for_good(campaign, client, lease):
    url = lease["pairs"][0]["images"][0]["url"]
    first = client.get(url)
    assert first.headers["content-type"] == "image/png"
    assert "immutable" in first.headers["cache-control"]
    assert client.get(url, headers={"if-none-match": first.headers["etag"]}).status_code == 304
    assert client.get(url.replace("left", "right")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "pairs/1/..%2f..%2fetc%2fpasswd",
        "pairs/..%2f1/left",
        "pairs/-1/left",
        "pairs/9223372036854775808/left",
        "pairs/999999/left",
    ],
)
def test_nothing_but_a_pair_of_the_campaign_is_an_image(campaign, client, path):
    assert client.get(f"/campaigns/{campaign[1]}/{path}").status_code == 404
    assert client.get("/campaigns/another/pairs/1/left").status_code == 404
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/static/%2e%2e/app.py").status_code == 404


def test_other_sites_change_nothing(campaign, client):
    path = f"/campaigns/{campaign[1]}/lease"
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"host": "evil.example"},
    ):
        assert client.post(path, json={"count": 1}, headers=headers).status_code == 403
    del client.headers["origin"]
    assert client.post(path, json={"count": 1}).status_code == 403
    client.headers["origin"] = str(client.base_url)
    client.headers["x-csrf-token"] = "guessed"
    assert client.post(path, json={"count": 1}).status_code == 403


def test_requests_are_bounded(campaign, client):
    path = f"/campaigns/{campaign[1]}/entries"
    assert client.post(path, content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
    chunks = (b"x" * 65536 for _ in range(9))
    assert client.post(path, content=chunks).status_code == 413
    eager = visit(campaign[0], settings=WebSettings(posts_per_minute=10))
    sign_in(eager, annotator="eager")
    eager.headers["x-csrf-token"] = csrf(eager)
    statuses = [eager.post(f"/campaigns/{campaign[1]}/lease", json={"count": 1}) for _ in range(12)]
    assert [answer.status_code for answer in statuses] == [200] * 10 + [429] * 2
    assert int(statuses[-1].headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"entries": []}',
        '{"entries": [{}]}',
        json.dumps({"entries": [verdict(1)] * 51}),
        json.dumps({"entries": [verdict("1")]}),
        json.dumps({"entries": [verdict(1, reasons=["spite"])]}),
        json.dumps({"entries": [verdict(1, quality=6)]}),
        json.dumps({"entries": [verdict(1, comment="x" * 2001)]}),
        json.dumps({"entries": [verdict(1, comment="ä" * 1001)]}),
        json.dumps({"entries": [verdict(1, comment="\ud800")]}),
        json.dumps({"entries": [verdict(1, id="../x")]}),
        json.dumps({"entries": [verdict(1, alignment="maybe")]}),
        json.dumps({"entries": [verdict(1, surprise=1)]}),
        json.dumps({"entries": [{"kind": "erase", "pair": 1, "id": "a"}]}),
    ],
)
def test_what_the_script_never_sends_is_refused(campaign, client, body):
    answer = client.post(f"/campaigns/{campaign[1]}/entries", content=body.encode())
    assert answer.status_code == 400


def test_entries_are_recorded_once_and_in_their_order(campaign, client, lease):
    first, second, third = (pair["pair"] for pair in lease["pairs"][:3])
    path = f"/campaigns/{campaign[1]}/entries"
    entries = [
        verdict(first, 1),
        {"kind": "retract", "pair": first, "id": "r2"},
        verdict(first, 3, alignment="no", reasons=["colour"], quality=2, comment="not red"),
        {"kind": "skip", "pair": second, "id": "r4"},
        verdict(third, 5),
        verdict(10**9, 6),
    ]
    answer = client.post(path, json={"entries": entries}).json()
    assert answer["outcomes"] == [*["recorded"] * 5, "refused"]
    again = client.post(path, json={"entries": entries}).json()
    assert again["outcomes"] == [
        *["recorded_before"] * 3,
        "recorded",
        "recorded_before",
        "refused",
    ]
    assert again["judged"] == answer["judged"] == 2
    recent = client.get(f"/campaigns/{campaign[1]}/recent").json()["verdicts"]
    assert [one["pair"]["pair"] for one in recent[:2]] == [third, first]
    assert recent[1]["values"] == {
        "word": "no",
        "reasons": ["colour"],
        "quality": 2,
        "comment": "not red",
    }


def test_a_page_for_others_needs_a_name_and_a_way_to_sign_in():
    with pytest.raises(ValidationError, match="public_url"):
        WebSettings(listen="0.0.0.0:8080")
    with pytest.raises(ValidationError, match="unix"):
        WebSettings(listen="unix:/run/page.sock")
    with pytest.raises(ValidationError, match="together"):
        WebSettings(oidc_issuer="https://id.example.org", public_url="https://review.example.org")
    with pytest.raises(ValidationError, match="https"):
        WebSettings(oidc_issuer="http://id.example.org")
    shared = WebSettings(listen="0.0.0.0:8080", public_url="https://review.example.org")
    with pytest.raises(ValueError, match="people_file"):
        shared.require_sign_in(None)
    shared.require_sign_in(PACKAGE / "people")
    WebSettings().require_sign_in(None)


def test_the_page_has_the_reports_colours():
    own = (PACKAGE / "review/web/static/review.css").read_text("utf-8")
    report = (PACKAGE / "report/templates/report.css").read_text("utf-8")
    palette = report[report.index(":root") : report.index("* {")]
    assert palette in own
