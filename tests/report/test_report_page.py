"""The report as a browser shows it: whole, quiet, and no wider than its screen."""

import pytest
from playwright.async_api import async_playwright

from synthvlm.report.write import write_report
from synthvlm.storage import file_location, open_store
from tests.report.reported_run import make_run
from tests.report.trained_run import with_training

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    store = open_store(file_location(folder / "store"))
    record = make_run(store, captions=40, repeats=2, top_k=8, more=["a word of " + "m" * 300])
    record = with_training(store, record)
    return write_report(store.uri, record, folder / "report.html")


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_fits_and_is_whole(page, screen, scheme):
    problems, requested = [], []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        view = await browser.new_page(viewport=screen, color_scheme=scheme)
        view.on("console", lambda message: problems.append(message.text))
        view.on("pageerror", lambda error: problems.append(str(error)))
        view.on("request", lambda request: requested.append(request.url))
        await view.goto(page.as_uri())
        await view.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        width = await view.evaluate("document.documentElement.scrollWidth")
        broken = await view.evaluate(
            "Promise.all([...document.images].map(i => i.decode().then(() => 0, () => 1)))"
        )
        headings = await view.locator("h1, h2").all_inner_texts()
        await browser.close()
    assert problems == []
    assert [url for url in requested if not url.startswith("data:")] == [page.as_uri()]
    assert width <= screen["width"]
    assert broken
    assert not any(broken)
    assert len(headings) > 3
