"""The page in a real browser, on the real service."""

from __future__ import annotations

import sqlite3
import statistics
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from synthvlm.review.v1 import review_pb2 as pb
from tests.review.web.annotator import PHONE, Annotator, chromium
from tests.review.web.running import running_service
from tests.review.web.site import HOSTILE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def service(folder):
    with running_service(folder) as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def annotate(service, browser):
    """Makes annotators who look at a campaign; none of their browsers may complain."""
    made = []

    def start(name, campaign, **context):
        made.append(Annotator(browser, service.origin, name, **context))
        made[-1].open(campaign)
        return made[-1]

    yield start
    for one in made:
        problems = [text for text in one.problems if "net::ERR_" not in text]
        one.close()
        assert problems == []


def recorded(folder, campaign):
    """All entries of a campaign as recorded: annotator, request id, whether it takes one back."""
    with sqlite3.connect(folder / "review.sqlite") as database:
        return database.execute(
            "SELECT v.annotator, v.request_id, v.retracted FROM verdict v"
            " JOIN campaign c ON c.id = v.campaign WHERE c.campaign_id = ? ORDER BY v.id",
            [campaign],
        ).fetchall()


@pytest.mark.parametrize("latency_ms", [0, 200])
def test_the_next_pair_is_painted_at_once(service, annotate, latency_ms):
    campaign = service.campaign()
    ann = annotate("ann", campaign)
    ann.network(latency_ms)
    ann.judge(12, pause_s=0.2)
    ann.wait_saved()
    painted = ann.painted()
    assert len(painted) == 12
    assert statistics.median(painted) < 100
    assert service.verdicts(campaign) == {"ann": 12}


def test_two_annotators_never_have_the_same_pair(service, annotate):
    campaign = service.campaign(verdicts_per_pair=1)
    both = [annotate(name, campaign) for name in ("ann", "bob")]
    seen = [[], []]
    for _ in range(4):
        for one, pairs in zip(both, seen, strict=True):
            pairs.extend(one.judge(3))
    assert not set(seen[0]) & set(seen[1])
    for one in both:
        one.wait_saved()
    assert service.verdicts(campaign) == {"ann": 12, "bob": 12}


def test_a_pulled_cable_loses_and_doubles_nothing(service, annotate, folder):
    campaign = service.campaign()
    ann = annotate("ann", campaign)
    ann.judge(3)
    ann.network(offline=True)
    seen = ann.judge(6, pause_s=0.1)
    assert len(set(seen)) == 6
    ann.page.wait_for_selector("body[data-saving=offline]")
    assert "kept in this browser" in ann.page.inner_text("#saving")
    ann.network()
    ann.judge(2)
    ann.wait_saved()
    assert len(recorded(folder, campaign)) == 11
    assert service.verdicts(campaign) == {"ann": 11}


def test_an_answer_that_is_lost_doubles_nothing(service, annotate, folder):
    campaign = service.campaign()
    ann = annotate("ann", campaign)
    lost = []

    def lose(route):
        if len(lost) < 2:
            lost.append(route.fetch())  # the service has recorded it, and nobody hears of it
            route.abort()
        else:
            route.continue_()

    ann.page.route("**/entries", lose)
    ann.judge(2)
    ann.wait_saved()
    assert [answer.status for answer in lost] == [200, 200]
    assert len(recorded(folder, campaign)) == 2


def test_a_reload_continues(service, annotate, folder):
    campaign = service.campaign()
    ann = annotate("ann", campaign)
    ann.judge(2)
    ann.wait_saved()
    ann.page.route("**/entries", lambda route: route.abort())
    before = ann.judge(2)
    shown = ann.image()
    ann.page.on("dialog", lambda dialog: dialog.accept())  # "leave the page?"
    ann.page.reload()
    ann.page.wait_for_selector("body[data-state=judging]")
    assert ann.image() == shown
    assert "2 kept" in ann.page.inner_text("#saving")
    ann.page.unroute("**/entries")
    ann.wait_saved()
    assert len(recorded(folder, campaign)) == 4
    expect(ann.page.locator("#recent li")).to_have_count(4)
    newest = ann.page.locator("#recent img").first.get_attribute("src")
    assert newest == before[-1]


def test_a_session_that_ended_keeps_what_was_judged(service, annotate):
    campaign = service.campaign()
    ann = annotate("ann", campaign)
    ann.context.clear_cookies()
    ann.page.keyboard.press("y")
    ann.page.wait_for_selector("body[data-saving=signed-out]")
    ann.sign_in(ann.context.new_page())
    ann.page.on("dialog", lambda dialog: dialog.accept())
    ann.page.goto(f"{service.origin}/campaigns/{campaign}")
    ann.wait_saved()
    assert service.verdicts(campaign) == {"ann": 1}
    ann.problems.clear()  # the browser reports the refused requests


def test_who_is_signed_in_need_not_sign_in(service, annotate):
    campaign = service.campaign()
    ann = annotate("ann", campaign)
    path = f"/campaigns/{campaign}"
    ann.page.goto(f"{service.origin}/sign-in?next={path}")
    ann.page.wait_for_url(f"{service.origin}{path}")


def test_undo_and_the_last_ten(service, annotate, folder):
    campaign = service.campaign()
    ann = annotate("ann", campaign)
    keys = ann.page.keyboard
    first, second = ann.judge(2)
    third = ann.image()
    keys.press("u")
    assert ann.image() == second
    keys.press("n")
    assert ann.image() == third
    keys.press("s")
    keys.press("u")
    assert ann.image() == third
    ann.page.locator("#recent button").nth(1).click()
    assert ann.image() == first
    assert "You judged this pair: yes" in ann.page.inner_text("#note")
    keys.press("2")
    keys.press("y")  # a colour cannot be wrong where everything is right
    assert ann.image() == first
    assert "clear it" in ann.page.inner_text("#note")
    keys.press("n")
    assert ann.image() == third
    ann.wait_saved()
    assert [retracted for _, _, retracted in recorded(folder, campaign)] == [0, 0, 1, 0, 0]
    assert service.verdicts(campaign) == {"ann": 2}
    said = ann.page.locator("#recent .word").all_inner_texts()
    assert said == ["no", "no"]


def test_a_held_key_judges_once_and_typing_judges_nothing(service, annotate):
    ann = annotate("ann", service.campaign())
    shown = ann.image()
    ann.page.keyboard.press("c")
    ann.page.keyboard.type("yny is no verdict")
    assert ann.image() == shown
    ann.page.keyboard.press("Escape")
    ann.page.keyboard.down("y")
    second = ann.image()
    assert second != shown
    for _ in range(3):
        ann.page.keyboard.down("y")
    assert ann.image() == second


def test_keys_can_be_changed(service, annotate):
    campaign = service.campaign()
    ann = annotate("ann", campaign)
    page, shown = ann.page, ann.image()
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.click("[data-remap=yes]")
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    page.keyboard.press("y")
    assert ann.image() == shown
    page.keyboard.press("j")
    assert ann.image() != shown
    ann.wait_saved()
    page.reload()
    page.wait_for_selector("body[data-state=judging]")
    assert page.inner_text(".choice.yes kbd") == "J"


def test_a_swipe_is_a_verdict(service, annotate):
    campaign = service.campaign()
    ann = annotate("ann", campaign, viewport=PHONE, has_touch=True, is_mobile=True)
    touch = ann.context.new_cdp_session(ann.page)

    def swipe(*places):
        for kind, x in zip(("touchStart", "touchMove", "touchMove"), places, strict=True):
            point = [{"x": x, "y": 300}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": point})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    shown = ann.image()
    swipe(200, 210, 220)  # too short
    assert ann.image() == shown
    swipe(100, 200, 300)
    swipe(300, 200, 100)
    ann.wait_saved()
    assert ann.page.locator("#recent .word").all_inner_texts() == ["no", "yes"]
    assert ann.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_two_images_are_compared(service, annotate):
    campaign = service.campaign(compared=True)
    ann = annotate("ann", campaign)
    assert ann.page.locator("#images img").count() == 2
    for key in ("ArrowLeft", "ArrowRight", "ArrowDown", "y"):
        ann.page.keyboard.press(key)
        ann.page.wait_for_selector("body[data-state=judging]")
    ann.wait_saved()
    assert ann.page.locator("#recent .word").all_inner_texts() == ["equal", "right", "left"]
    olga = annotate("olga", campaign)
    olga.page.goto(f"{service.origin}/campaigns/{campaign}/overview")
    expect(olga.page.locator("#rate-title")).to_have_text("How often the source is preferred")


def test_a_caption_is_text_and_nothing_else(service, annotate):
    ann = annotate("ann", service.campaign())
    for _ in range(60):
        if ann.page.inner_text("#caption") == HOSTILE:
            break
        ann.judge(1)
    assert ann.page.inner_text("#caption") == HOSTILE
    assert "owned" not in ann.page.title()


def test_who_leaves_the_page_open_keeps_nothing_from_others(service, annotate, browser):
    campaign = service.campaign(sample_size=2, lease_seconds=10)
    annotate("ann", campaign)
    bob = Annotator(browser, service.origin, "bob")
    bob.page.goto(f"{service.origin}/campaigns/{campaign}")
    bob.page.wait_for_selector("body[data-state=nothing]")
    bob.page.wait_for_selector("body[data-state=judging]", timeout=25_000)
    bob.judge(2)
    bob.page.wait_for_selector("body[data-state=nothing]")
    service.client.close_campaign(pb.CloseCampaignRequest(campaign_id=campaign))
    bob.page.wait_for_selector("body[data-state=closed]")
    bob.close()


def test_a_disagreement_is_settled(service, annotate):
    campaign = service.campaign(verdicts_per_pair=2, sample_size=4)
    for name, key in (("ann", "y"), ("olga", "n")):
        one = annotate(name, campaign)
        one.page.keyboard.press(key)
        one.wait_saved()
    page = one.page
    page.goto(f"{service.origin}/campaigns/{campaign}/disagreements")
    card = page.locator(".disagreement")
    assert card.count() == 1
    assert card.locator(".given li").all_inner_texts() == ["ann ✓ yes", "olga ✗ no"]
    card.get_by_label("Colour").check()
    card.locator(".choice.no").click()
    assert page.locator(".disagreement").count() == 0
    progress = service.client.get_progress(pb.GetProgressRequest(campaign_id=campaign))
    assert (progress.disagreements, progress.settled) == (1, 1)


def test_the_owner_sees_progress_live(service, annotate):
    campaign = service.campaign()
    olga, ann = annotate("olga", campaign), annotate("ann", campaign)
    olga.page.goto(f"{service.origin}/campaigns/{campaign}/overview")
    ann.judge(3)
    ann.wait_saved()
    expect(olga.page.locator("#progress .tile.chosen dd")).to_contain_text("3of 60 wanted")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it(service, annotate, scheme):
    campaign = service.campaign(verdicts_per_pair=2, sample_size=6)
    bob = annotate("bob", campaign)
    bob.judge(6)
    bob.wait_saved()
    olga = annotate("olga", campaign, color_scheme=scheme, reduced_motion="reduce")
    for key in ("n", "1", "n", "Shift+Digit2"):
        olga.page.keyboard.press(key)
    olga.wait_saved()
    axe = Axe()

    def violations():
        # Evaluated by the protocol, so the page's own policy stays as strict as it is.
        found = axe.run(olga.page).response["violations"]
        return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]

    assert violations() == []
    olga.page.keyboard.press("?")
    assert violations() == []
    olga.page.keyboard.press("Escape")
    for path in (f"/campaigns/{campaign}/overview", f"/campaigns/{campaign}/disagreements", "/"):
        olga.page.goto(f"{service.origin}{path}")
        if path.endswith("overview"):
            olga.page.wait_for_selector("#rate-title")
        assert violations() == []
    olga.context.clear_cookies()
    olga.page.goto(f"{service.origin}/")
    assert urlsplit(olga.page.url).path == "/sign-in"
    assert violations() == []


def test_the_service_ends_while_pages_are_open(service, annotate):
    ann = annotate("ann", service.campaign())
    service.process.ask_to_end()
    assert service.process.wait_ended(10) == 0
    ann.page.keyboard.press("y")
    ann.page.wait_for_selector("body[data-saving=offline]")
