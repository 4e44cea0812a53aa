"""The MCP App in a host: the official bridge around the page, with tools that are called in Python."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from browsing import opened, watched
from node_tools import host_script
from playwright.async_api import Frame, Page

from guildhall.mcp_server.app import VIEW, page
from guildhall.view import View

CallTool = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Name and arguments of a tool call, and its result as it is on the wire."""


def result(text: str, *, run_id: str = "", view: Any = None, failed: bool = False) -> dict[str, Any]:
    """The result of a tool, as a server sends it."""
    answer: dict[str, Any] = {"content": [{"type": "text", "text": text}]}
    if run_id:
        answer["structuredContent"] = {"run_id": run_id}
    return answer | ({"_meta": {VIEW: view}} if view else {}) | ({"isError": True} if failed else {})


@dataclass
class Runs:
    """What a server knows of runs, by their ids; the last one is the newest."""

    views: dict[str, View] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    broken: str = ""
    """Why every call fails."""
    refuses: dict[str, str] = field(default_factory=dict)
    """Why calls of that tool fail, other than those that look."""

    async def __call__(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((name, arguments))
        looks = name == "get_run" and "answer" not in arguments
        run_id = arguments["run_id"] or next(reversed(self.views), "")
        if self.broken or (not looks and name in self.refuses):
            return result(self.broken or self.refuses[name], failed=True)
        if run_id not in self.views:
            return result(f"There is no run {run_id!r}.", failed=True)
        view = self.views[run_id].since(arguments["after"]) if looks else None
        return result(self.views[run_id].summary(), run_id=run_id, view=view)

    @property
    def looks(self) -> list[dict[str, Any]]:
        """How the page asked for what is new."""
        return [given for name, given in self.calls if name == "get_run" and "answer" not in given]

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [given for name, given in self.calls if name == "get_run" and "answer" in given]


@dataclass
class Hosted:
    """The page in its host; `frame` is what it shows."""

    page: Page
    frame: Frame
    wrong: list[str]

    async def tells(self, method: str, params: dict[str, Any]) -> Any:
        """Have the host tell the page something, by the name of the bridge's method."""
        return await self.page.evaluate("([method, params]) => bridge[method](params)", [method, params])

    async def waits(self, seconds: int) -> None:
        """Let that much time pass, and whatever was to be asked by then be asked."""
        await self.page.clock.run_for(1000 * seconds)
        for _ in range(3):
            await self.page.evaluate(
                "() => new Promise((done) => requestAnimationFrame(() => callTool('', '{}').then(done)))"
            )

    async def until(self, script: str, *args: Any) -> None:
        await self.frame.wait_for_function(script, arg=args[0] if args else None, timeout=15_000)

    async def says(self, text: str) -> None:
        """Wait until the page says this."""
        await self.until("(text) => document.body.innerText.includes(text)", text)


@asynccontextmanager
async def hosted(
    call: CallTool, *, html: str = "", options: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[Hosted]:
    """The App in a host that calls tools so; nothing may go wrong on either page."""

    async def called(name: str, arguments: str) -> str:
        return json.dumps(await call(name, json.loads(arguments)) if name else {})

    async with opened() as browser:
        outer = await browser.new_page(**{"viewport": {"width": 1000, "height": 900}} | more)
        wrong = watched(outer)
        await outer.clock.install()
        await outer.set_content('<!doctype html><html lang="en"><title>Host</title><body><main></main>')
        await outer.expose_function("callTool", called)
        await outer.add_style_tag(content="iframe { width: 100%; height: 300px; border: 0 }")
        await outer.add_script_tag(content=host_script())
        await outer.evaluate("([html, options]) => open_app(html, options)", [html or page(), options or {}])
        yield Hosted(outer, outer.frames[1], wrong)
        assert wrong == []
