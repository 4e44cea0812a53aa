"""The MCP App in a host: it finds its run, follows it to the end, and does what its buttons say."""

import asyncio
import time

import pytest
from hosting import Hosted, Runs, hosted, result
from recording import Recording, audit, feed

from guildhall.agents import event as ev
from guildhall.mcp_server.app import page
from guildhall.view import View

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TASK = "May we sign the contract?"
RUN = "run-1"


@pytest.fixture
def recording(home: object) -> Recording:
    return asyncio.run(audit())


@pytest.fixture
def asking(recording: Recording) -> Runs:
    """A run that waits for an answer."""
    view = View()
    recording.into(view, until=ev.Question)
    return Runs({RUN: view})


async def shows(app: Hosted, runs: Runs) -> None:
    """The host has the result of the call that the page belongs to."""
    await app.tells("sendToolResult", result("running", run_id=next(reversed(runs.views))))
    await app.until("() => document.querySelectorAll('.lane').length > 3")


async def test_the_page_follows_the_run_of_its_result_to_the_end_and_then_asks_no_more(
    recording: Recording,
) -> None:
    view = View()
    runs = Runs({RUN: view})
    async with hosted(runs) as app:
        await app.tells("sendToolResult", result("running", run_id=RUN))
        for number, _ in enumerate(recording.fed(view)):
            if number % 25 == 0:
                looks = len(runs.calls)
                while len(runs.calls) == looks:
                    await asyncio.sleep(0.01)
        await app.until("() => document.querySelector('.answer:not([hidden])')")
        assert await app.frame.locator(".answer b").all_inner_texts() == ["Renegotiate"]
        assert await app.frame.locator(".lane").count() == 10
        afters = [given["after"] for given in runs.looks]
        assert afters[0] == -1
        assert max(afters) > 0
        looks = len(runs.calls)
        await app.waits(30)
        assert len(runs.calls) == looks


async def test_stop_and_answers_are_calls_of_tools_and_what_comes_of_them_is_shown(
    recording: Recording, asking: Runs
) -> None:
    async with hosted(asking) as app:
        await shows(app, asking)
        await app.frame.fill(".asks textarea", "Only if they agree.")
        await app.frame.press(".asks textarea", "Enter")  # in a frame in which no form can be sent
        await app.until("() => document.querySelector('.asks textarea').disabled")
        [name] = [line.name for line in recording.lines if isinstance(line, ev.Question)]
        [given] = asking.answers
        assert given.pop("after") >= 0  # it does not wait for what comes of it
        assert given == {"run_id": RUN, "question": name, "answer": "Only if they agree."}
        asking.views[RUN](recording.event(ev.Answered))
        await app.until("() => document.querySelector('.said')")
        await app.frame.click(".stop")
        asking.views[RUN](recording.event(ev.RunFinished).model_copy(update={"outcome": "cancelled"}))
        await app.says("The run was cancelled")
        assert ("cancel_run", {"run_id": RUN}) in asking.calls


async def test_a_refused_stop_or_answer_is_told_with_what_the_server_says(asking: Runs) -> None:
    async with hosted(asking) as app:
        await shows(app, asking)
        asking.refuses = {
            "cancel_run": "the run belongs to another user",
            "get_run": "no person has said that",
        }
        await app.frame.click(".stop")
        await app.says("The run was not stopped: the run belongs to another user.")
        await app.frame.click(".asks .option >> nth=0")
        await app.says("Your answer did not reach the run: no person has said that.")
        assert await app.frame.is_enabled(".stop")


async def test_before_there_is_a_result_the_page_shows_the_newest_run_if_it_is_on_the_same_task(
    recording: Recording, asking: Runs
) -> None:
    run = recording.event(ev.RunStarted).run
    runs = Runs({run: asking.views[RUN]})
    async with hosted(runs) as app:
        await app.tells("sendToolInput", {"arguments": {"task": TASK, "team": "audit"}})
        await app.until("() => document.querySelectorAll('.lane').length > 3")
        assert runs.calls[0] == ("get_run", {"run_id": "", "after": -1})
        assert {given["run_id"] for given in runs.looks} == {"", run}


@pytest.mark.parametrize("case", ["another task that is at work", "an earlier run on the same task"])
async def test_somebody_elses_run_is_not_shown_before_there_is_a_result(
    recording: Recording, case: str
) -> None:
    view, earlier = View(), case.startswith("an earlier")
    for line in recording.lines:
        if isinstance(line, ev.RunStarted):
            at = time.time() - 3600 * earlier
            view(line.model_copy(update={"at": at, "task": TASK if earlier else "Something else?"}))
        elif earlier or not isinstance(line, ev.RunFinished):
            feed(view, line)
    runs = Runs({RUN: view})
    async with hosted(runs) as app:
        await app.tells("sendToolInput", {"arguments": {"task": TASK}})
        while len(runs.calls) < 2:
            await asyncio.sleep(0.01)
        await app.says("Waiting for the run to begin")
        assert await app.frame.locator(".guildhall").count() == 0
        await app.tells("sendToolResult", result("done", run_id=RUN))  # now it is known to be this one
        await app.until("() => document.querySelectorAll('.lane').length > 3")


async def test_what_is_wrong_is_said_in_the_page(recording: Recording, asking: Runs) -> None:
    async with hosted(asking) as app:
        await app.tells("sendToolResult", result("No such team: audits.", failed=True))
        await app.says("The run did not begin: No such team: audits.")
        await app.tells("sendToolResult", result("running", run_id=RUN))
        await app.until("() => document.querySelectorAll('.lane').length > 3")
        asking.broken = "the database is locked"
        await app.says("This may be out of date: the database is locked.")
        asking.broken = ""
        await app.until("() => document.querySelector('.problem').hidden")
        recording.into(asking.views[RUN])


async def test_a_server_that_sends_no_view_is_named_as_the_reason() -> None:
    async def blind(name: str, arguments: object) -> dict[str, object]:
        return result("running", run_id=RUN)

    async with hosted(blind) as app:
        await app.tells("sendToolResult", result("running", run_id=RUN))
        await app.says("the server sends no view of this run")


async def test_the_page_takes_the_hosts_colours_and_tells_how_high_it_is(asking: Runs) -> None:
    ink = {"--color-background-primary": "#101418", "--color-text-primary": "#eeeeee"}
    context = {"theme": "dark", "styles": {"variables": ink}}
    background = "() => getComputedStyle(document.querySelector('.guildhall')).backgroundColor"
    async with hosted(asking, options={"context": context}) as app:
        await shows(app, asking)
        assert await app.frame.evaluate(background) == "rgb(16, 20, 24)"
        assert (
            await app.frame.evaluate("getComputedStyle(document.querySelector('.guildhall')).colorScheme")
            == "dark"
        )
        height = await app.frame.evaluate("Math.ceil(document.body.getBoundingClientRect().height)")
        await app.page.wait_for_function("(height) => sizes.at(-1)?.[1] === height", arg=height)
        white = {"variables": ink | {"--color-background-primary": "#ffffff"}}
        await app.tells("sendHostContextChange", {"theme": "light", "styles": white})
        await app.until(f"() => ({background})() === 'rgb(255, 255, 255)'")
        await app.tells("sendHostContextChange", {"containerDimensions": {"maxHeight": 200}})
        await app.page.wait_for_function("() => sizes.at(-1)?.[1] === 200")
        assert (
            height - 1 <= await app.frame.evaluate("document.body.scrollHeight") <= height
        )  # in whole pixels


async def test_where_the_host_has_a_full_screen_there_is_a_button_for_it(asking: Runs) -> None:
    context = {"displayMode": "inline", "availableDisplayModes": ["inline", "fullscreen"]}
    async with hosted(asking, options={"context": context}) as app:
        await shows(app, asking)
        await app.frame.click("button:has-text('Full screen')")
        await app.page.wait_for_function("() => modes.join() === 'fullscreen'")


async def test_a_page_that_is_taken_down_asks_no_more(asking: Runs) -> None:
    async with hosted(asking) as app:
        await shows(app, asking)
        assert await app.tells("teardownResource", {}) == {}
        looks = len(asking.calls)
        await app.waits(30)
        assert len(asking.calls) == looks
        assert await app.frame.locator(".guildhall").count() == 0


async def test_nothing_can_be_loaded_into_the_page_and_no_other_script_runs_in_it(asking: Runs) -> None:
    async with hosted(asking) as app:
        await shows(app, asking)
        loaded = list[str]()
        app.page.on("requestfinished", lambda request: loaded.append(request.url))
        tried = await app.frame.evaluate(
            """async () => {
              const blocked = [];
              const told = ({effectiveDirective}) => blocked.push(effectiveDirective);
              document.addEventListener("securitypolicyviolation", told);
              const script = document.createElement("script");
              script.textContent = "window.owned = true";
              document.body.append(script);
              const picture = document.createElement("img");
              picture.src = "https://evil.example/a.png";
              document.body.append(picture);
              const style = document.createElement("style");
              style.textContent = "body { outline: 1px solid }";
              document.body.append(style);
              const answer = await fetch("https://evil.example/").then(() => "sent", () => "refused");
              await new Promise((done) => setTimeout(done, 100));
              return {answer, owned: window.owned ?? false, blocked: [...new Set(blocked)].sort()};
            }"""
        )
        assert tried["answer"] == "refused"
        assert tried["owned"] is False
        assert tried["blocked"] == ["connect-src", "img-src", "script-src-elem", "style-src-elem"]
        assert loaded == []
        app.wrong.clear()


async def test_it_works_in_hosts_that_run_the_page_as_their_policy_says(asking: Runs) -> None:
    policy = (
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'none'"
    )
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    html = page().replace('<meta charset="utf-8">', f'<meta charset="utf-8">{meta}')
    async with hosted(asking, html=html, options={"sandbox": "allow-scripts allow-forms"}) as app:
        await shows(app, asking)
