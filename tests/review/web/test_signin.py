"""Nobody gets in without showing who they are, and nobody stays in without it."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from synthvlm.review.people import Person, Role, token_digest
from synthvlm.review.web.settings import WebSettings
from tests.review.web.provider import CLIENT, SECRET, provider
from tests.review.web.site import csrf, sign_in, visit

PEOPLE = {
    token_digest("anns token"): Person("ann", Role.ANNOTATOR),
    token_digest("olgas token"): Person("olga", Role.OWNER),
}
HTTPS = "https://review.example.org"


@pytest.fixture
def people(campaign):
    """The site of a service that knows two people, and who they are."""
    known = dict(PEOPLE)
    return visit(campaign[0], lambda: known), known


def test_every_page_asks_to_sign_in(campaign, people):
    client, _ = people
    for path in ("/", f"/campaigns/{campaign[1]}", f"/campaigns/{campaign[1]}/overview"):
        answer = client.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/sign-in?next={path}"
    for path in ("recent", "pairs/1/left", "overview/figures"):
        answer = client.get(f"/campaigns/{campaign[1]}/{path}", headers={"accept": "*/*"})
        assert answer.status_code == 401
    assert client.post(f"/campaigns/{campaign[1]}/lease", json={"count": 1}).status_code == 401


def test_a_token_signs_its_person_in(campaign, people):
    client, _ = people
    assert sign_in(client, token="somebody's") == 401
    assert sign_in(client, token="") == 401
    assert sign_in(client, token=" anns token ") == 303
    page = client.get("/").text
    assert ">ann<" in page
    assert "Judge pairs" in page


def test_the_owners_pages_are_for_owners(campaign, people):
    client, _ = people
    sign_in(client, token="anns token")
    for path in ("overview", "overview/progress", "overview/figures", "disagreements"):
        assert client.get(f"/campaigns/{campaign[1]}/{path}").status_code == 403
    sign_in(client, token="olgas token")
    assert client.get(f"/campaigns/{campaign[1]}/overview").status_code == 200


def test_a_session_ends_with_its_token(campaign, people):
    client, known = people
    sign_in(client, token="olgas token")
    known[token_digest("olgas token")] = Person("olga", Role.ANNOTATOR)
    assert client.get(f"/campaigns/{campaign[1]}/overview").status_code == 403
    del known[token_digest("olgas token")]
    assert client.get("/").status_code == 303


def test_signing_out_ends_a_session(people):
    client, _ = people
    sign_in(client, token="anns token")
    assert client.post("/sign-out", data={"csrf": "guessed"}).status_code == 403
    assert client.post("/sign-out", data={"csrf": csrf(client)}).status_code == 303
    assert client.get("/").status_code == 303


def test_a_cookie_is_for_this_site_alone_and_not_for_scripts(campaign):
    settings = WebSettings(public_url=HTTPS)
    client = visit(campaign[0], lambda: PEOPLE, settings, HTTPS)
    answer = client.post("/sign-in", data={"token": "anns token"})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-review=")
    for flag in ("httponly", "samesite=strict", "secure", "path=/"):
        assert flag in cookie
    assert "strict-transport-security" in answer.headers


def test_a_forged_or_foreign_session_is_none(campaign, people):
    client, _ = people
    sign_in(client, token="anns token")
    name, value = next(iter(client.cookies.items()))
    other = visit(campaign[0], lambda: PEOPLE)
    for forged in (value, value[:-1] + ("a" if value[-1] != "a" else "b"), "x", ""):
        other.cookies.set(name, forged)
        assert other.get("/").status_code == 303  # another process has another key


def test_without_tokens_people_give_a_name(campaign):
    client = visit(campaign[0])
    for name in ("", "two words", "<b>", "x" * 65, "-ann"):
        assert sign_in(client, annotator=name) == 400
    assert sign_in(client, annotator="ann@example.org") == 303
    assert ">ann@example.org<" in client.get("/").text


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil", "/a?b=c"])
def test_signing_in_leads_nowhere_else(campaign, path):
    client = visit(campaign[0])
    answer = client.post("/sign-in", params={"next": path}, data={"annotator": "ann"})
    assert answer.headers["location"] == "/"


def test_attempts_to_sign_in_are_bounded(campaign):
    client = visit(campaign[0], lambda: PEOPLE, WebSettings(sign_ins_per_minute=3))
    statuses = [sign_in(client, token="guess") for _ in range(4)]
    assert statuses == [401, 401, 401, 429]


@pytest.fixture(scope="module")
def running_provider():
    """A provider that a module's tests share."""
    with provider() as running:
        yield running


@pytest.fixture
def organisation(campaign, running_provider, tmp_path):
    """A site whose people a provider signs in, and that provider."""
    running_provider.claims, running_provider.forged = {"preferred_username": "ann"}, False
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    settings = WebSettings(
        public_url=HTTPS,
        owners=["olga"],
        adjudicators=["ada"],
        oidc_issuer=running_provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret_file=secret,
    )
    return visit(campaign[0], None, settings, HTTPS), running_provider


def callback(client, path="/"):
    """Goes to the provider, and gives the path of its answer."""
    started = client.get("/oidc/start", params={"next": path})
    assert started.status_code == 302
    answer = httpx.get(started.headers["location"])
    parts = urlsplit(answer.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}" == HTTPS
    return f"{parts.path}?{parts.query}"


def test_a_provider_signs_people_in(campaign, organisation):
    client, running = organisation
    path = f"/campaigns/{campaign[1]}"
    assert "/oidc/start" in client.get("/sign-in").text
    page = client.get(callback(client, path))
    assert page.status_code == 200
    assert f"url={path}" in page.text
    assert client.get(path).status_code == 200
    assert client.get(f"{path}/disagreements").status_code == 403
    for name, overview, disagreements in (("ada", 403, 200), ("olga", 200, 200)):
        running.claims = {"preferred_username": name}
        client.get(callback(client))
        assert client.get(f"{path}/overview").status_code == overview
        assert client.get(f"{path}/disagreements").status_code == disagreements


def test_only_the_answer_to_ones_own_question_counts(organisation):
    client, running = organisation
    answer = callback(client)
    state = parse_qs(urlsplit(answer).query)["state"][0]
    assert client.get(answer.replace(state, "another")).status_code == 401
    running.forged = True
    assert client.get(callback(client)).status_code == 401
    running.forged = False
    running.claims = {"preferred_username": "not a name"}
    assert client.get(callback(client)).status_code == 403
    running.claims = {"preferred_username": "ann", "aud": "another client"}
    assert client.get(callback(client)).status_code == 401
    assert client.get("/").status_code == 303


def test_a_provider_that_is_gone_is_told(campaign, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    settings = WebSettings(
        public_url=HTTPS,
        oidc_issuer="http://127.0.0.1:9",
        oidc_client_id=CLIENT,
        oidc_client_secret_file=secret,
    )
    answer = visit(campaign[0], None, settings, HTTPS).get("/oidc/start")
    assert answer.status_code == 502
    assert "cannot be reached" in answer.text


def test_a_provider_lets_nobody_choose_a_name(organisation):
    client, _ = organisation
    assert sign_in(client, annotator="olga", token="guess") == 401
