"""A person with a browser, who judges pairs on the page by keyboard alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

_PROBE = """
window.painted = [];
let pressed = null;
addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
addEventListener("DOMContentLoaded", () => {
  const images = document.getElementById("images");
  if (!images) return;
  new MutationObserver(() => {
    const since = pressed;
    if (since === null) return;
    // The message is taken after the frame that shows the change.
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.painted.push(performance.now() - since);
      channel.port2.postMessage(0);
    });
  }).observe(images, { childList: true });
});
"""
"""Notes the milliseconds from the press of a key to the frame that shows the next pair."""

KEYS = [["y"], ["y"], ["1", "n"], ["y"], ["Shift+Digit4", "y"], ["2", "p"]]
"""What the person presses, pair after pair."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield browser
        browser.close()


class Annotator:
    """A person who has signed in, in a browser of their own.

    Attributes:
        page: What they look at.
        problems: What the browser complained about.
    """

    def __init__(self, browser: Browser, origin: str, name: str, **context: Any) -> None:
        self.context = browser.new_context(viewport=context.pop("viewport", DESKTOP), **context)
        self.origin = origin
        self.name = name
        self.page: Page = self.context.new_page()
        self.page.add_init_script(_PROBE)
        self.problems: list[str] = []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self._network = self.context.new_cdp_session(self.page)
        self.sign_in(self.page)

    def sign_in(self, page: Page) -> None:
        """Opens the link with the person's token, which is their name."""
        page.goto(f"{self.origin}/sign-in#token={self.name}")
        page.wait_for_url(f"{self.origin}/")

    def open(self, campaign: str) -> None:
        """Opens a campaign and waits for the first pair."""
        self.page.goto(f"{self.origin}/campaigns/{campaign}")
        self.page.wait_for_selector("body[data-state=judging]")

    def network(self, latency_ms: float = 0, *, offline: bool = False) -> None:
        """Slows the network down, or pulls its cable."""
        self._network.send(
            "Network.emulateNetworkConditions",
            {
                "offline": offline,
                "latency": latency_ms,
                "downloadThroughput": -1,
                "uploadThroughput": -1,
            },
        )

    def judge(self, pairs: int, pause_s: float = 0.0) -> list[str]:
        """Judges so many pairs by keyboard; their images' addresses, in order."""
        seen = []
        for number in range(pairs):
            self.page.wait_for_selector("body[data-state=judging]")
            seen.append(self.image())
            for key in KEYS[number % len(KEYS)]:
                self.page.keyboard.press(key)
            time.sleep(pause_s)
        return seen

    def image(self) -> str:
        """Address of the image on the screen."""
        source: str = self.page.locator("#images img").first.get_attribute("src") or ""
        return source

    def painted(self) -> list[float]:
        """Milliseconds from key to the painted next pair, of all verdicts since the page opened."""
        self.page.wait_for_timeout(100)
        times: list[float] = self.page.evaluate("window.painted")
        return times

    def wait_saved(self) -> None:
        """Waits until the service has confirmed everything."""
        self.page.wait_for_selector("body[data-saving=idle]")

    def close(self) -> None:
        """Closes the browser's window."""
        self.context.close()
