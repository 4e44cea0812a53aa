"""The view in a real Chromium: mounted in a bare page, with a View of this process behind it."""

import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from guildhall.view import View
from guildhall.view.module import module

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OWN = ("about:", "blob:", "data:")
"""Schemes of what a page has in itself."""
MOUNT = """async (esm) => {
  const url = URL.createObjectURL(new Blob([esm], {type: "text/javascript"})), heard = new Set();
  const {mount} = await import(url);
  window.fire = (message) => heard.forEach((one) => one(message));
  window.listeners = () => heard.size;
  const transport = {
    listen: (receive) => (heard.add(receive), () => heard.delete(receive)),
    send: (command) => window.kernel(JSON.stringify(command)),
  };
  window.unmount = mount(document.querySelector("main"), transport);
}"""


def chromium() -> str:
    """The browser's path. Raises where there is none: a test that was not run has not passed."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    assert path, f'there is none of {", ".join(NAMES)}: install one, or run pytest -m "slow and not browser"'
    return path


@asynccontextmanager
async def opened() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        try:
            yield browser
        finally:
            await browser.close()


def watched(page: Page) -> list[str]:
    """Whatever goes wrong on the page from now on: errors, what the console warns of, requests."""
    wrong: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith(OWN):
            wrong.append(request.url)

    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", said)
    page.on("request", asked)
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    return wrong


@dataclass
class Stage:
    """A page with the view of a run on it; patches are pushed to it, and its commands are kept."""

    page: Page
    view: View
    wrong: list[str]
    sent: list[dict[str, Any]] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    """Why commands of that kind fail."""
    silent: bool = False
    """Whether nothing comes back when the page asks for what it missed."""
    seq: int = 0

    async def push(self, *, lost: bool = False) -> None:
        """Send what is new; or lose it on the way."""
        patch = self.view.since(self.seq)
        self.seq = patch["seq"]
        if not lost:
            await self.fire(patch)

    async def fire(self, message: Any) -> None:
        await self.page.evaluate("(message) => fire(message)", json.loads(json.dumps(message)))

    async def does(self, command: str) -> None:
        """What the page sends comes in here."""
        one = json.loads(command)
        self.sent.append(one)
        if one["do"] in self.refuses:
            raise RuntimeError(self.refuses[one["do"]])
        if one["do"] == "since" and not self.silent:
            await self.fire(self.view.since(one["seq"]))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [command for command in self.sent if command["do"] == kind]

    async def texts(self, selector: str) -> list[str]:
        found: list[str] = await self.page.eval_on_selector_all(
            selector, "(all) => all.map((one) => one.textContent)"
        )
        return found

    async def until(self, script: str, *args: Any) -> None:
        """Wait until the script finds something."""
        await self.page.wait_for_function(script, arg=args[0] if args else None, timeout=10_000)


@asynccontextmanager
async def staged(
    view: View, *, prepare: Callable[[Stage], None] = lambda _: None, **options: Any
) -> AsyncIterator[Stage]:
    """A stage that shows the view, in a browser of its own; nothing may go wrong on it."""
    async with opened() as browser, on_stage(browser, view, prepare=prepare, **options) as stage:
        yield stage


@asynccontextmanager
async def on_stage(
    browser: Browser, view: View, *, prepare: Callable[[Stage], None] = lambda _: None, **options: Any
) -> AsyncIterator[Stage]:
    page = await browser.new_page(**{"viewport": {"width": 1200, "height": 1400}} | options)
    stage = Stage(page, view, watched(page))
    prepare(stage)
    await page.clock.install()
    await page.set_content('<!doctype html><html lang="en"><title>Run</title><body><main></main>')
    await page.expose_function("kernel", stage.does)
    await page.evaluate(MOUNT, module())
    yield stage
    assert stage.wrong == []
    await page.close()
