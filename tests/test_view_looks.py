"""The view holds: many members stay fluid, hostile text stays text, and everybody can read it."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from browsing import Stage, on_stage, opened, staged
from node_tools import axe_script
from playwright.async_api import Browser
from recording import Recording, audit, feed

from guildhall.agents import Amount, Budget
from guildhall.agents import event as ev
from guildhall.view import View

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HOSTILE = [
    *json.loads((Path(__file__).parent / "data" / "hostile_html.json").read_text("utf-8")),
    "[" * 20_000, "**a** " * 20_000, "a" * 90_000, "`*[" * 10_000,
    "| a " * 5_000 + "|\n" + "|-" * 5_000 + "|",
]  # fmt: skip
ALIEN = r"""() => {
  const foreign = /^(a|base|embed|form|iframe|img|link|math|meta|noscript|object|script|use|video)$/i;
  const own = {style: ".guildhall > style", input: ".filter", textarea: ".free > textarea"};
  const names = /^on|^(id|name|src|srcset|srcdoc|href|xlink:href|action|formaction|data|poster|background)$/;
  const bad = ({name, value}) => names.test(name) || (name === "style" && /url|expression|fixed/.test(value));
  return [...document.body.querySelectorAll("*")].filter((one) => foreign.test(one.localName)
    || (one.localName in own && !one.matches(own[one.localName]))
    || [...one.attributes].some(bad)).map((one) => one.outerHTML.slice(0, 120));
}"""
AXE = """async () => {
  const {violations} = await axe.run(".guildhall");
  return violations.map(({id, nodes}) => [id, nodes.map(({html}) => html)]);
}"""
COLOURS = """() => {
  const {backgroundColor, color} = getComputedStyle(document.querySelector(".guildhall"));
  return [backgroundColor, color];
}"""
MEMBERS = 40
LONG = "A line of some words that fill the lane.\n" * 40


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GUILDHALL_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("GUILDHALL_EMBEDDER", "none")
        return asyncio.run(audit())


class Crowd:
    """A run of many members that all write."""

    def __init__(self, view: View) -> None:
        self.view, self.ids = view, 0
        self.tell(
            ev.RunStarted, "", "user", team="survey", pattern="map", task="Read all.", budget=Budget(usd=1)
        )
        self.tell(ev.Started, "survey", "survey", task="Read all.")
        self.paths = {f"reader {n}": f"survey/r{n}" for n in range(MEMBERS)}
        for who, path in self.paths.items():
            self.tell(ev.Started, path, who, task="Read.", role="reads")
            self.tell(ev.Asked, f"{path}/ask", who, model="p:m", attempt=1, reserved=Amount())

    def tell(self, kind: Any, path: str, who: str, **fields: Any) -> int:
        self.ids += 1
        self.view(kind(id=self.ids, run="r1", path=path, who=who, at=time.time(), **fields))
        return self.ids

    def write(self, text: str) -> None:
        for path in self.paths.values():
            self.view.text(f"{path}/ask", 1, text)

    def end(self, who: str) -> None:
        path, text = self.paths[who], self.view_text(who)
        self.tell(
            ev.Replied, f"{path}/ask", who, asked=1, text=text, model="p:m", usage=None, spent=Amount(1)
        )
        self.tell(ev.Finished, path, who, outcome="answered", text=text)

    def view_text(self, who: str) -> str:
        return next(
            str(item["text"]) for item in self.view.items() if item["is"] == "reply" and item["who"] == who
        )


async def test_of_forty_members_only_those_in_sight_are_painted_and_the_rest_catches_up() -> None:
    view = View()
    crowd = Crowd(view)
    painted = (
        "() => [...document.querySelectorAll('.lane')].filter((one) => one.querySelector('.prose')).length"
    )
    async with staged(view, viewport={"width": 900, "height": 500}) as stage:
        crowd.write(LONG)
        await stage.push()
        await stage.until(f"() => ({painted})() > 0")
        assert await stage.page.evaluate(painted) < MEMBERS / 2
        last = stage.page.locator('.lane[aria-label^="reader 39,"]')
        assert await last.locator(".meta").inner_text() == "writing · m"  # the head is right, in sight or not
        for n in range(30):
            crowd.write(f"word {n} ")
            await stage.push()
        assert await last.locator(".prose").count() == 0
        await last.scroll_into_view_if_needed()
        await stage.until("() => document.querySelector('.lane[aria-label^=\"reader 39,\"] .prose')")
        assert (await last.locator(".prose").inner_text()).endswith("word 29 ")
        assert await stage.page.evaluate("() => document.querySelectorAll('.guildhall *').length") < 4_000


async def test_of_many_members_those_who_are_done_fold_up_and_open_at_a_click() -> None:
    view = View()
    crowd = Crowd(view)
    async with staged(view) as stage:
        crowd.write(LONG)
        for n in range(30):
            crowd.end(f"reader {n}")
        await stage.push()
        await stage.until("() => document.querySelectorAll('.lane.folded').length === 30")
        lane = stage.page.locator('.lane[aria-label^="reader 3,"]')
        assert await lane.locator(".body").is_hidden()
        assert (await lane.locator(".excerpt").inner_text()).startswith("A line of some words")
        await lane.locator(".head").click()
        assert (await lane.locator(".prose").inner_text()).count("A line") == 40
        await stage.page.click(".chip[data-is=working]")
        assert await stage.page.locator(".lane:visible").count() == MEMBERS - 30
        assert await stage.texts(".bar-of-lanes h3") == [f"10 of {MEMBERS} members"]
        await stage.page.click(".chip[data-is=working]")
        await stage.page.click("button:has-text('Expand all')")
        assert await stage.page.locator(".lane.folded").count() == 0


async def shown(browser: Browser, text: str) -> None:
    """Put the text wherever there is a place for one, and look for what must not come of it."""
    view, name = View(), text[:200]
    base: dict[str, Any] = {"run": "x", "at": time.time(), "who": name}
    wide = text[:5000]
    reply = {"text": text, "model": name, "usage": None, "spent": Amount(1)}
    plan = [
        {"id": name, "who": name, "task": name, "needs": [name]},
        {"id": "b", "who": name, "needs": [name]},
    ]
    vote = {"counts": {name: 1}, "votes": {name: [name]}, "abstained": [name], "authors": {name: [name]}}
    odd: dict[str, Any] = {"counts": name, "votes": [name], "authors": name, "abstained": name}
    conflict = {"about": wide, "sides": [{"who": name, "says": wide}, name], "by": name, "holds": wide}
    source = ev.Source(label=name or "x", kind="document", text=wide)
    events: list[tuple[Any, str, dict[str, Any]]] = [
        (ev.RunStarted, "", {"team": name, "pattern": name, "task": wide, "budget": Budget(usd=9)}),
        (ev.Started, "t", {"task": wide, "role": name, "models": (name,)}),
        (ev.Started, "t/in", {"task": wide, "role": name}),
        (ev.Started, "t/in/deep", {"task": wide, "role": name}),
        (ev.Asked, "t/in/deep/ask", {"model": name, "attempt": 1, "reserved": Amount(1)}),
        (ev.Replied, "t/in/deep/ask", {"asked": 5, **reply}),
        (ev.Asked, "t/in/deep/ask.2", {"model": name, "attempt": 1, "reserved": Amount(1)}),
        (ev.Lost, "t/in/deep/ask.2", {"asked": 7, "error": name, "text": wide, "spent": Amount(1)}),
        (ev.Called, "t/in/deep/x", {"tool": name, "arguments": {name: wide}, "why": name}),
        (ev.Returned, "t/in/deep/x", {"called": 9, "text": text, "failed": False}),
        (ev.Said, "t", {"to": name, "text": f"{name}: {text}"}),
        (ev.Recalled, "t", {"query": text, "records": (name,), "texts": (text,)}),
        (ev.Decided, "t", {"what": "plan", "choice": name, "data": plan}),
        (ev.Decided, "t", {"what": "vote", "choice": name, "reason": wide, "data": vote}),
        (ev.Decided, "t", {"what": "vote", "choice": name, "reason": wide, "data": odd}),
        (ev.Decided, "t", {"what": "vote", "choice": name, "data": [name]}),
        (ev.Decided, "t", {"what": "conflict", "choice": name, "data": conflict, "evidence": (6,)}),
        (ev.Decided, "t", {"what": "verdict", "choice": name, "data": {"by": name, "dissent": wide}}),
        (ev.Decided, "t", {"what": "score", "choice": name, "data": {"score": 0.5, "bar": name}}),
        (ev.Question, "t/in/deep", {"name": name, "text": wide, "options": (name,)}),
        (ev.Question, "t/in/deep/b", {"name": name, "text": wide, "options": (name,)}),
        (ev.Answered, "t/in/deep/b", {"question": 21, "text": text}),
        (ev.Finished, "t/in/deep", {"outcome": "failed", "text": wide}),
    ]
    for n, (kind, path, fields) in enumerate(events, start=1):
        view(kind(id=n, path=path, **base, **fields))
    async with on_stage(browser, view) as stage:
        await stage.until(
            "() => document.querySelectorAll('.lane').length && document.querySelector('.question')"
        )
        assert await stage.page.evaluate(ALIEN) == []
        end: dict[str, Any] = {"outcome": "answered", "text": text, "spent": Amount(1)}
        view(ev.RunFinished(id=90, path="", cited=(source,), notices=(name,), seconds=1.0, **base, **end))
        await stage.push()
        await stage.until("() => document.querySelector('.answer:not([hidden])')")
        await stage.page.locator(".tool summary").first.click()
        assert await stage.page.evaluate(ALIEN) == []
        size = await stage.page.evaluate("document.body.outerHTML.length")
        assert size < 2_500_000, size
        assert "\u202e" not in await stage.page.content()


@pytest.mark.deadline(240)
async def test_no_text_becomes_anything_but_text_wherever_it_stands(home: Path) -> None:
    async with opened() as browser:
        for text in HOSTILE:
            await shown(browser, text)


def contrast(one: str, other: str) -> float:
    """By WCAG, of two colours such as rgb(1, 2, 3)."""

    def light(colour: str) -> float:
        parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([light(one), light(other)])
    return (high + 0.05) / (low + 0.05)


async def colours(stage: Stage) -> tuple[str, str]:
    background, ink = await stage.page.evaluate(COLOURS)
    return background, ink


async def test_it_is_light_or_dark_as_whatever_it_is_in(recording: Recording) -> None:
    view = View()
    recording.into(view)
    seen = {}
    async with opened() as browser:
        for scheme in ("light", "dark"):
            async with on_stage(browser, view, color_scheme=scheme) as stage:
                seen[scheme] = await colours(stage)
                assert contrast(*seen[scheme]) > 10
                await stage.page.evaluate(
                    "document.documentElement.style.cssText = "
                    "'--color-background-primary: #102030; --color-text-primary: #fff'"
                )
                assert await colours(stage) == ("rgb(16, 32, 48)", "rgb(255, 255, 255)")
        async with on_stage(browser, view, color_scheme="light") as stage:
            await stage.page.evaluate("document.body.dataset.jpThemeLight = 'false'")
            assert await colours(stage) == seen["dark"]
    assert seen["light"] != seen["dark"]


@pytest.mark.deadline(120)
async def test_people_with_disabilities_can_use_it_in_work_and_done_light_and_dark(
    recording: Recording,
) -> None:
    async with opened() as browser:
        for scheme in ("light", "dark"):
            for until in (ev.Question, ev.RunFinished):
                view = View()
                recording.into(view, until=until)
                async with on_stage(browser, view, color_scheme=scheme) as stage:
                    await stage.until("() => document.querySelectorAll('.lane').length > 3")
                    await stage.page.evaluate("(script) => { (0, eval)(script); }", axe_script())
                    assert await stage.page.evaluate(AXE) == [], (scheme, until)
                    await stage.page.click("button:has-text('Expand all')")
                    await stage.until("() => document.querySelectorAll('.lane .prose').length > 3")
                    assert await stage.page.evaluate(AXE) == [], (scheme, until)


@pytest.mark.parametrize("width", [320, 420, 700, 1500])
async def test_it_fits_whatever_width_it_is_given(recording: Recording, width: int) -> None:
    view = View()
    recording.into(view)
    async with staged(view, viewport={"width": width, "height": 900}) as stage:
        await stage.until("() => document.querySelectorAll('.lane').length === 10")
        assert await stage.page.evaluate("document.documentElement.scrollWidth") <= width


async def test_labels_of_sources_in_the_answer_lead_to_what_they_quote(recording: Recording) -> None:
    view = View()
    for line in recording.lines:
        if isinstance(line, ev.RunFinished):
            quoted = ev.Source(label="contract.md:3", kind="document", text="The cap is twelve months.")
            view(line.model_copy(update={"cited": (quoted,), "notices": ("nobody asked the vendor",)}))
        else:
            feed(view, line)
    async with staged(view) as stage:
        await stage.until("() => document.querySelector('.answer .cite')")
        assert await stage.texts(".answer .prose p") == ["Renegotiate the contract first 1."]
        await stage.page.click(".cite")
        focused = await stage.page.evaluate("document.activeElement.textContent")
        assert focused == "1contract.md:3documentThe cap is twelve months."
        assert await stage.texts(".notices li") == ["nobody asked the vendor"]
