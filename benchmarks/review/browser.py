"""How fast the page of human verification is, and what a broken connection costs.

    python -m benchmarks.review.browser

Starts the review service in a process of its own, with a Selection of scenes whose images have
1024 x 1024 pixels, and drives real browsers by keyboard alone:

- fifty pairs a row, on several delays of the network, one verdict each half second and as fast as
  the keys come: time from the press of a key to the frame that shows the next pair. The second
  figure is the browser's own (Event Timing, which rounds to 8 ms and so says 8 for less);
- two annotators at once, who must never have the same pair;
- the cable pulled for a while (``--cut-seconds``), in which they go on judging: verdicts that are
  lost or doubled;
- axe-core on every page.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.review.web.annotator import Annotator, chromium
from tests.review.web.running import Running, running_service

_PAIRS = 50
_PACE_SECONDS = 0.5
_EVENTS = """
window.events = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.name === "keydown") window.events.push(entry.duration);
  }
}).observe({ type: "event", durationThreshold: 16, buffered: true });
"""
_SHORTEST_EVENT_MS = 8.0


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cut-seconds", type=float, default=60.0)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder), pairs=60, scale=16) as service,
        chromium() as browser,
    ):
        print("| network delay | a verdict each | median | 95% | longest | Event Timing 95% |")
        print("|---|---|---|---|---|---|")
        for latency_ms, pace in ((1, _PACE_SECONDS), (200, _PACE_SECONDS), (1, 0.0), (200, 0.0)):
            print(_speed(service, browser, latency_ms, pace), flush=True)
        print()
        print(_both(service, browser))
        print(_cut(service, browser, given.cut_seconds))
        print(_axe(service, browser))


def _speed(service: Running, browser: Browser, latency_ms: float, pace: float) -> str:
    campaign = service.campaign()
    ann = Annotator(browser, service.origin, "ann")
    ann.page.add_init_script(_EVENTS)
    ann.open(campaign)
    ann.network(latency_ms)
    ann.page.wait_for_timeout(3000)  # a person reads the first pair
    ann.judge(_PAIRS, pace)
    ann.wait_saved()
    painted = ann.painted()
    slow: list[float] = ann.page.evaluate("window.events")
    events = [*slow, *[_SHORTEST_EVENT_MS] * (len(painted) - len(slow))]
    assert service.verdicts(campaign) == {"ann": len(painted)} == {"ann": _PAIRS}
    ann.close()
    pause = f"{pace} s" if pace else "key as it comes"
    return (
        f"| {latency_ms} ms | {pause} | {statistics.median(painted):.0f} ms | "
        f"{_high(painted):.0f} ms | {max(painted):.0f} ms | {_high(events):.0f} ms |"
    )


def _high(times: list[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


def _both(service: Running, browser: Browser) -> str:
    campaign = service.campaign()
    people = [Annotator(browser, service.origin, name) for name in ("ann", "bob")]
    seen: list[list[str]] = [[], []]
    for one in people:
        one.open(campaign)
    for _ in range(10):
        for one, pairs in zip(people, seen, strict=True):
            pairs.extend(one.judge(2))
    for one in people:
        one.wait_saved()
        one.close()
    return (
        f"two annotators at once: {len(seen[0])} and {len(seen[1])} pairs, "
        f"{len(set(seen[0]) & set(seen[1]))} of them the same"
    )


def _cut(service: Running, browser: Browser, seconds: float) -> str:
    campaign = service.campaign()
    ann = Annotator(browser, service.origin, "ann")
    ann.open(campaign)
    ann.page.wait_for_timeout(3000)
    seen = ann.judge(10, _PACE_SECONDS)
    ann.network(offline=True)
    within = 0
    while ann.page.get_attribute("body", "data-state") == "judging":
        seen += ann.judge(1, _PACE_SECONDS)
        within += 1
    ann.page.wait_for_timeout(max(0.0, 1000 * (seconds - within * _PACE_SECONDS)))
    ann.network()
    ann.page.wait_for_selector("body[data-state=judging]", timeout=60_000)
    seen += ann.judge(10, _PACE_SECONDS)
    ann.wait_saved()
    ann.close()
    recorded = service.verdicts(campaign)["ann"]
    return (
        f"cable pulled for {seconds:.0f} s: {within} verdicts meanwhile, {len(seen)} in all; "
        f"{len(set(seen)) - recorded} lost, {len(seen) - len(set(seen))} doubled"
    )


def _axe(service: Running, browser: Browser) -> str:
    campaign = service.campaign(verdicts_per_pair=2, sample_size=10)
    found = []
    for name in ("ann", "olga"):
        one = Annotator(browser, service.origin, name)
        one.open(campaign)
        one.page.keyboard.press("y" if name == "ann" else "n")
        one.wait_saved()
    paths = (f"/campaigns/{campaign}", f"/campaigns/{campaign}/overview")
    for path in ("/", *paths, f"/campaigns/{campaign}/disagreements"):
        one.page.goto(f"{service.origin}{path}")
        if path.endswith("overview"):
            one.page.wait_for_selector("#rate-title")
        found += Axe().run(one.page).response["violations"]
    names = ", ".join(sorted({one["id"] for one in found}))
    return f"axe-core on 4 pages: {names or 'no'} violations"


if __name__ == "__main__":
    main()
