"""What a reader sees of a run: all of it, once, whatever gets lost on the way; and who is who."""

import asyncio

import pytest
from browsing import Stage, on_stage, opened, staged
from recording import Recording, audit, feed

from guildhall.agents import event as ev
from guildhall.view import View

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SHOWN = ".number b, .answer, .step, .lane, .list-of-entries > *"


@pytest.fixture
def recording(home: object) -> Recording:
    return asyncio.run(audit())


async def played(stage: Stage, recording: Recording, *, every: int = 5, lose: int = 0) -> None:
    """All of the recording, in patches of some lines each, of which each `lose`th is lost."""
    patches = 0
    for number, _ in enumerate(recording.fed(stage.view)):
        if number % every == 0:
            patches += 1
            await stage.push(lost=bool(lose) and patches % lose == 0)
    await stage.push()
    await stage.until("() => document.querySelector('.guildhall').dataset.status === 'done'")


async def settled(stage: Stage) -> list[str]:
    """What is shown once nothing is missing any more, with all that is folded up."""
    await stage.until("() => document.querySelector('.answer:not([hidden])')")
    await stage.page.click("button:has-text('Expand all')")
    await stage.page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))"
    )
    return [text for text in await stage.texts(SHOWN) if ":" not in text or not text[0].isdigit()]


async def test_a_reply_grows_while_it_is_written_and_is_formatted_once_it_is_whole(
    recording: Recording,
) -> None:
    view = View()
    async with staged(view) as stage:
        recording.into(view, until=ev.Asked, who="lead")
        for piece in ("**Reneg", "otiate** the ", "contract"):
            view.text("audit/write/ask", 1, piece)
            await stage.push()
            await stage.until(
                "(piece) => document.querySelector('.lane[aria-label^=lead]')?.textContent.endsWith(piece)",
                piece,
            )
        assert (await stage.texts(".lane[aria-label^=lead] .prose")) == ["**Renegotiate** the contract"]
        for line in recording.lines[recording.last(ev.Replied, who="lead") :]:
            feed(view, line)
        await stage.push()
        await stage.until("() => document.querySelector('.lane[aria-label^=lead] .prose b')")
        assert (await stage.texts(".lane[aria-label^=lead] .prose b")) == ["Renegotiate"]
        assert await stage.texts(".answer b") == ["Renegotiate"]


async def test_what_is_lost_on_the_way_is_asked_for_and_nothing_is_shown_twice(recording: Recording) -> None:
    broken, whole = View(), View()
    async with opened() as browser:
        async with on_stage(browser, broken) as stage:
            await played(stage, recording, every=3, lose=3)
            seen = await settled(stage)
            assert len(stage.of("since")) > 3
        async with on_stage(browser, whole) as other:
            await played(other, recording)
            fresh = await settled(other)
        async with on_stage(browser, broken) as again:  # opened when all is over
            assert await settled(again) == seen == fresh
    assert len(seen) > 20


async def test_where_nothing_comes_back_the_page_asks_again_and_says_so(recording: Recording) -> None:
    view = View()
    async with staged(view, prepare=lambda stage: setattr(stage, "silent", True)) as stage:
        await stage.page.clock.run_for(20_000)
        await stage.until(
            "() => document.querySelector('.problem:not([hidden])')?.textContent.includes('no word')"
        )
        assert len(stage.of("since")) >= 4
        stage.silent = False
        recording.into(view)
        await stage.page.clock.run_for(11_000)
        await settled(stage)
        assert await stage.page.locator(".problem").is_hidden()


async def test_namesakes_in_two_teams_keep_lanes_of_their_own_under_their_team(recording: Recording) -> None:
    view = View()
    recording.into(view)
    async with staged(view) as stage:
        await settled(stage)
        for team, said in (("first", "12 months"), ("second", "24 months")):
            lane = stage.page.locator(".group", has=stage.page.locator(".label", has_text=team)).locator(
                ".lane"
            )
            assert said in (await lane.filter(has_text="analyst").all_inner_texts())[0]
            assert await stage.page.locator(f'.lane[aria-label="analyst ({team}), done"]').count() == 1
        assert any("analyst (first)" in text for text in await stage.texts(".evidence .chip"))


async def test_the_plan_shows_each_step_and_leads_to_whoever_takes_it(recording: Recording) -> None:
    view = View()
    recording.into(view, until=ev.Question)
    async with staged(view) as stage:
        await stage.until("() => document.querySelectorAll('.step').length === 6")
        assert await stage.page.locator(".step").all_inner_texts() == [
            "read\nreader\ndone", "law\nfirst\ndone", "money\nsecond\ndone", "choose\njury\ndone",
            "ask\nclerk\nworking", "write\nlead\nwaiting",
        ]  # fmt: skip
        assert await stage.page.locator(".graph > svg path").count() == 7
        await stage.page.click('.step:has-text("reader")')
        await stage.until("() => document.activeElement.matches('.lane[aria-label^=reader] .head')")
        assert await stage.page.get_attribute(".lane[aria-label^=reader] .head", "aria-expanded") == "true"
        await stage.page.click('.step:has-text("law")')  # a team has the lanes of its members
        await stage.until("() => document.activeElement.closest('.group')?.textContent.startsWith('first')")


async def test_a_vote_shows_who_is_for_what_and_what_it_rests_on(recording: Recording) -> None:
    view = View()
    recording.into(view)
    async with staged(view) as stage:
        await settled(stage)
        vote = stage.page.locator(".entry.decision", has_text="2 of 3 votes")
        faces = vote.locator(".faces")
        assert [await faces.nth(at).get_attribute("aria-label") for at in range(2)] == [
            "2: bob, cid",
            "1: ann",
        ]
        await vote.locator(".evidence .chip", has_text="cid").click()
        await stage.until("() => document.activeElement.matches('.lane[aria-label^=cid] .head')")


async def test_the_numbers_stand_beside_what_the_budget_allows(recording: Recording) -> None:
    view = View()
    recording.into(view)
    async with staged(view) as stage:
        await settled(stage)
        assert await stage.texts(".stat:nth-child(-n+3) .number") == ["$0 of $0.50", "0 of 50k", "10 of 40"]
        assert await stage.page.get_attribute(".stat:nth-child(3) .meter", "aria-valuenow") == "25"


async def test_a_search_leaves_what_it_finds_and_clearing_it_brings_all_back(recording: Recording) -> None:
    view = View()
    recording.into(view)
    async with staged(view) as stage:
        await settled(stage)
        every = await stage.page.locator(".lane:visible").count()
        await stage.page.fill(".filter", "24 MONTHS")
        await stage.until("() => document.querySelector('.bar-of-lanes h3').textContent.startsWith('2 of')")
        labels = [
            await one.get_attribute("aria-label") for one in await stage.page.locator(".lane:visible").all()
        ]
        assert labels == ["lead, done", "analyst (second), done"]
        entries = await stage.texts(".list-of-entries > *")
        assert entries
        assert all("24 months" in text for text in entries)
        await stage.page.press(".filter", "Escape")
        assert await stage.page.locator(".lane:visible").count() == every


async def test_what_was_mounted_goes_without_a_trace(recording: Recording) -> None:
    view = View()
    async with staged(view) as stage:
        await played(stage, recording)
        await stage.page.evaluate("unmount()")
        asked = len(stage.sent)
        await stage.fire({"v": 1, "run": "x", "at": 0, "after": 99, "seq": 100, "ops": []})
        assert await stage.page.evaluate("document.querySelector('main').childElementCount") == 0
        assert await stage.page.evaluate("listeners()") == 0
        assert len(stage.sent) == asked


async def test_another_run_in_the_same_place_leaves_nothing_of_the_first(recording: Recording) -> None:
    view = View()
    async with staged(view) as stage:
        await played(stage, recording)
        stage.view, stage.seq = View(), 0
        stage.view(
            ev.RunStarted(id=1, run="other", path="", who="user", at=1.0, team="new", task="t", budget={})  # type: ignore[arg-type]
        )
        await stage.push()
        await stage.until("() => document.querySelector('.team').textContent === 'new'")
        assert await stage.page.locator(".lane, .step, .list-of-entries > *").count() == 0
        assert await stage.page.locator(".answer").is_hidden()


async def test_a_page_older_than_the_run_says_so(recording: Recording) -> None:
    async with staged(View()) as stage:
        await stage.fire({"v": 2, "run": "x", "at": 0, "seq": 5, "items": []})
        await stage.until(
            "() => document.querySelector('.problem').textContent.includes('newer than this page')"
        )
