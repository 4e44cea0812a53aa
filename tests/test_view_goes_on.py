"""A page stays with its run: when its view is made anew, when nobody works on it, and when all is done."""

import asyncio

import pytest
from browsing import Stage, on_stage, opened, staged
from recording import Recording, audit, feed

from guildhall.agents import event as ev
from guildhall.view import View

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OWN = ".asks textarea"
SHOWN = ".step, .lane, .list-of-entries > *"
WIDTHS = """() => {
  const {scrollWidth, clientWidth} = document.querySelector(".plan > .scroll");
  return [scrollWidth, clientWidth];
}"""
PARTS = ["A **first** part.\n\n", "```\nx = '**'\n\n", "y = 2\n```\n\n", "- one\n- two\n\n", "The **la"]


@pytest.fixture
def recording(home: object) -> Recording:
    return asyncio.run(audit())


async def painted(stage: Stage) -> None:
    await stage.page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))"
    )


@pytest.mark.parametrize("later", [1, 1000], ids=["with more patches", "with fewer patches"])
async def test_a_view_that_was_made_anew_is_taken_up_without_loss_and_with_the_half_typed_answer(
    recording: Recording, later: int
) -> None:
    first, second = View(), View()
    async with opened() as browser:
        async with on_stage(browser, first) as stage:
            for number, _ in enumerate(recording.fed(first, until=ev.Question)):
                if number % 20 == 0:
                    await stage.push()
            await stage.push()
            await stage.page.fill(OWN, "Yes, but only")
            await stage.page.evaluate("(own) => document.querySelector(own).setSelectionRange(5, 8)", OWN)
            await stage.page.click(".lane[aria-label^=reader] .head")
            seen, asked = stage.seq, len(stage.sent)
            for number, _ in enumerate(recording.fed(second, until=ev.Question)):
                if number % later == 0:
                    second.since(-1)
            second(recording.event(ev.Said).model_copy(update={"id": 900, "text": "One more thing."}))
            stage.view = second
            await stage.fire(second.since(seen))  # what comes to a number of the view before
            await painted(stage)
            assert later > 1 or stage.sent[asked:] == [{"do": "since", "seq": -1}]
            assert await stage.page.input_value(OWN) == "Yes, but only"
            assert await stage.page.evaluate("document.querySelector('.asks textarea').selectionStart") == 5
            opened_lane = ".lane[aria-label^=reader] .head"
            assert await stage.page.get_attribute(opened_lane, "aria-expanded") == "true"
            after = await stage.texts(SHOWN)
            assert "One more thing." in after[-1]
        async with on_stage(browser, second) as fresh:
            await fresh.until("() => document.querySelector('.question')")
            await painted(fresh)
            assert await fresh.texts(SHOWN) == after


async def test_a_view_that_is_not_told_of_its_run_yet_takes_nothing_away(recording: Recording) -> None:
    view = View()
    recording.into(view, until=ev.Question)
    async with staged(view) as stage:
        await stage.page.fill(OWN, "Yes, but only")
        stage.view = View()
        await stage.fire({**view.since(-1), "after": 1, "of": "x", "seq": 90, "ops": []})  # a gap
        await painted(stage)
        assert await stage.page.input_value(OWN) == "Yes, but only"
        stage.view = view
        await stage.page.clock.run_for(1_000)
        assert await stage.page.locator(".lane").count() > 3


async def test_a_run_that_nobody_works_on_says_so_and_goes_on_at_a_click(recording: Recording) -> None:
    view = View()
    recording.into(view, until=ev.Asked, who="lead")
    view.cut_short()
    async with staged(view) as stage:
        await stage.until("() => document.querySelector('.status').textContent === 'interrupted'")
        assert "Nobody works on this run any more" in (await stage.texts(".more"))[0]
        assert await stage.page.locator(".stop").is_hidden()
        stage.refuses["resume"] = "the budget is spent"
        await stage.page.click("button:has-text('Go on')")
        await stage.until("() => !document.querySelector('.problem').hidden")
        assert (await stage.texts(".problem"))[0] == "The run does not go on: the budget is spent."
        del stage.refuses["resume"]
        await stage.page.click("button:has-text('Go on')")
        view(recording.event(ev.RunStarted).model_copy(update={"id": 999, "resumed": True}))
        await stage.push()
        await stage.until("() => document.querySelector('.status').textContent === 'working'")
        assert len(stage.of("resume")) == 2
        assert await stage.page.locator("button:has-text('Go on')").is_hidden()
        assert await stage.page.locator(".stop").is_visible()


async def test_what_led_to_the_answer_folds_up_once_it_is_there_and_few_lanes_stay_open(
    recording: Recording,
) -> None:
    view = View()
    async with staged(view) as stage:
        recording.into(view, until=ev.Asked, who="lead")
        await stage.push()
        await stage.until("() => document.querySelectorAll('.lane').length === 10")
        assert await stage.page.locator(".lane.folded").count() == 0
        for line in recording.lines[recording.last(ev.Asked, who="lead") :]:
            feed(view, line)
        await stage.push()
        await stage.until("() => document.querySelectorAll('.lane.folded').length === 10")
        lead = stage.page.locator(".lane[aria-label^=lead]")
        said = "Renegotiate the contract first [contract.md:3]. 1. Ask for a cap of 24 months. 2. "
        assert (await lead.locator(".excerpt").inner_text()).startswith(said)
        top = await stage.page.locator(".answer").bounding_box()
        assert top
        assert top["y"] < 150
        await lead.locator(".head").click()
        assert await lead.locator(".prose b").all_inner_texts() == ["Renegotiate"]


async def test_paragraphs_are_formatted_while_the_next_one_is_written_but_no_half_of_a_code_block(
    recording: Recording,
) -> None:
    view, lane = View(), ".lane[aria-label^=lead]"
    async with staged(view) as stage:
        recording.into(view, until=ev.Asked, who="lead")
        seen = []
        for part in PARTS:
            view.text("audit/write/ask", 1, part)
            await stage.push()
            await painted(stage)
            shown = f"{lane} .part > *, {lane} .block"
            seen.append(
                await stage.page.eval_on_selector_all(
                    shown, "(all) => all.map((one) => one.className || one.localName)"
                )
            )
        assert seen == [
            ["p"], ["p", "block"], ["p", "code"], ["p", "code", "list"], ["p", "code", "list", "block"],
        ]  # fmt: skip
        assert await stage.texts(f"{lane} .part b") == ["first"]
        assert await stage.texts(f"{lane} pre") == ["x = '**'\n\ny = 2"]
        assert await stage.texts(f"{lane} .block") == ["The **la"]


async def test_a_plan_is_as_narrow_as_its_place_before_it_is_scrolled(recording: Recording) -> None:
    view = View()
    recording.into(view, until=ev.Question)
    async with staged(view, viewport={"width": 900, "height": 900}) as stage:
        await stage.until("() => document.querySelectorAll('.step').length === 6")
        for width in (900, 1200, 720):
            await stage.page.set_viewport_size({"width": width, "height": 900})
            scrolled, visible = await stage.page.evaluate(WIDTHS)
            assert scrolled <= visible, width
