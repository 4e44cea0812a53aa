"""What a person does in the view: answering, stopping, finding their way by keyboard; and what they hear."""

import asyncio

import pytest
from browsing import Stage, staged
from recording import Recording, audit

from guildhall.agents import event as ev
from guildhall.view import View

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OWN = ".asks textarea"
OFFERED = ".asks .option"


@pytest.fixture
def recording(home: object) -> Recording:
    return asyncio.run(audit())


@pytest.fixture
def asking(recording: Recording) -> View:
    """A run that waits for an answer."""
    view = View()
    recording.into(view, until=ev.Question)
    return view


def name_of(recording: Recording) -> str:
    [name] = [line.name for line in recording.lines if isinstance(line, ev.Question)]
    return name


def answer(recording: Recording, view: View) -> None:
    """Let the view know that the question was answered."""
    view(recording.event(ev.Answered, who="clerk"))


async def test_an_answer_that_is_offered_takes_one_click_and_goes_to_the_feed_once_it_has_arrived(
    recording: Recording, asking: View
) -> None:
    async with staged(asking) as stage:
        await stage.page.click(OFFERED + ":has-text('Yes, go on')")
        assert stage.of("answer") == [{"do": "answer", "name": name_of(recording), "text": "Yes, go on"}]
        assert await stage.page.is_disabled(OFFERED + " >> nth=1")
        answer(recording, asking)
        await stage.push()
        await stage.until("() => !document.querySelector('.asks').childElementCount")
        assert await stage.texts(".list-of-entries .said") == ["You: Yes, go on"]
        assert await stage.page.evaluate("document.activeElement.className") == "guildhall"


async def test_an_answer_in_own_words_is_sent_by_enter_and_may_have_several_lines(asking: View) -> None:
    async with staged(asking) as stage:
        await stage.page.focus(OWN)
        await stage.page.keyboard.type("Only if")
        await stage.page.keyboard.press("Shift+Enter")
        await stage.page.keyboard.type("they agree.")
        assert stage.of("answer") == []
        await stage.page.keyboard.press("Enter")
        await stage.until("() => document.querySelector('.asks textarea').disabled")
        assert [one["text"] for one in stage.of("answer")] == ["Only if\nthey agree."]


async def test_an_answer_that_fails_is_told_and_can_be_sent_again_as_it_was(asking: View) -> None:
    async with staged(asking) as stage:
        stage.refuses["answer"] = "the kernel is busy"
        await stage.page.fill(OWN, "Never.")
        await stage.page.click("button:has-text('Answer')")
        await stage.until(
            "() => document.querySelector('.asks .bad')?.textContent.includes('the kernel is busy')"
        )
        assert await stage.page.input_value(OWN) == "Never."
        del stage.refuses["answer"]
        await stage.page.click("button:has-text('Answer')")
        await stage.until("() => document.querySelector('.asks .note').textContent.startsWith('Sending')")
        assert [one["text"] for one in stage.of("answer")] == ["Never.", "Never."]


async def test_where_nothing_comes_of_an_answer_or_a_stop_either_can_be_sent_again(asking: View) -> None:
    async with staged(asking) as stage:
        await stage.page.fill(OWN, "Never.")
        await stage.page.click("button:has-text('Answer')")
        await stage.page.click(".stop")
        await stage.page.clock.run_for(16_000)
        [said] = await stage.texts(".asks .note")
        assert said == "There is no word from the run yet. You can send it again."
        assert await stage.page.input_value(OWN) == "Never."
        await stage.page.click("button:has-text('Answer')")
        await stage.page.click(".stop:has-text('Stop again')")
        assert len(stage.of("answer")) == len(stage.of("stop")) == 2


async def test_a_failure_that_is_told_later_is_as_good_as_one_at_once(
    recording: Recording, asking: View
) -> None:
    async with staged(asking) as stage:
        await stage.page.click(OFFERED + " >> nth=0")
        await stage.page.click(".stop")
        for command in ({"do": "answer", "name": name_of(recording)}, {"do": "stop"}):
            await stage.fire({"error": f"no {command['do']} here", "of": command})
        assert "no answer here" in (await stage.texts(".asks .bad"))[0]
        assert "no stop here" in (await stage.texts(".problem"))[0]
        assert await stage.page.is_enabled(OFFERED + " >> nth=0")
        assert await stage.page.is_enabled(".stop")


async def test_a_half_typed_answer_survives_that_all_is_sent_anew(recording: Recording, asking: View) -> None:
    async with staged(asking) as stage:
        await stage.page.fill(OWN, "Yes, but only")
        await stage.page.evaluate("(own) => document.querySelector(own).setSelectionRange(5, 8)", OWN)
        await stage.page.click(".lane[aria-label^=reader] .head")
        await stage.page.focus(OWN)
        mine = "document.querySelector('.lane .prose:not(:empty)').firstChild.mine"
        await stage.page.evaluate(f"{mine} = true")
        await stage.fire(asking.since(-1))  # as after a gap that is too old for patches
        await stage.page.evaluate("() => new Promise(requestAnimationFrame)")
        selected = "() => [document.activeElement.tagName, document.activeElement.selectionStart]"
        assert await stage.page.input_value(OWN) == "Yes, but only"
        assert await stage.page.evaluate(selected) == ["TEXTAREA", 5]
        assert await stage.page.get_attribute(".lane[aria-label^=reader] .head", "aria-expanded") == "true"
        assert (await stage.texts(".lane[aria-label^=reader] .prose"))[-1].startswith("Clause 9 caps")
        assert await stage.page.evaluate(mine) is True  # what stood there was not made anew
        assert await stage.page.locator(".asks .question").count() == 1


async def test_stop_is_sent_once_and_goes_when_the_run_has_ended(recording: Recording, asking: View) -> None:
    async with staged(asking) as stage:
        await stage.page.click(".stop")
        assert await stage.texts(".stop") == ["Stopping…"]
        assert await stage.page.is_disabled(".stop")
        asking(recording.event(ev.RunFinished).model_copy(update={"outcome": "cancelled", "text": "stopped"}))
        await stage.push()
        await stage.until("() => document.querySelector('.stop').hidden")
        assert len(stage.of("stop")) == 1
        assert await stage.texts(".answer h3") == ["The run was cancelled"]


async def test_a_run_that_waits_for_its_user_can_be_stopped(recording: Recording, asking: View) -> None:
    asking(recording.event(ev.RunFinished).model_copy(update={"outcome": "waiting", "text": ""}))
    async with staged(asking) as stage:
        await stage.page.click(".stop")
        assert len(stage.of("stop")) == 1


async def test_a_stop_that_fails_says_so_and_can_be_tried_again(asking: View) -> None:
    async with staged(asking) as stage:
        stage.refuses["stop"] = "there is no such run"
        await stage.page.click(".stop")
        await stage.until("() => !document.querySelector('.problem').hidden")
        assert "not stopped: " in (await stage.texts(".problem"))[0]
        assert "there is no such run" in (await stage.texts(".problem"))[0]
        del stage.refuses["stop"]
        await stage.page.click(".stop")
        assert len(stage.of("stop")) == 2
        assert await stage.page.locator(".problem").is_hidden()


async def test_every_lane_step_and_answer_is_within_reach_of_the_keyboard(asking: View) -> None:
    async with staged(asking) as stage:
        keys = stage.page.keyboard
        await stage.page.focus(".lane[aria-label^=reader] .head")
        await keys.press("Enter")
        assert await stage.page.evaluate("document.activeElement.ariaExpanded") == "true"
        await keys.press("ArrowDown")
        assert await focused(stage) == "clerk, working"
        await keys.press("ArrowUp")
        await keys.press("ArrowUp")  # the first comes after the last
        assert await focused(stage) == "cid, done"
        await keys.press("/")
        assert await stage.page.evaluate("document.activeElement.className") == "filter"
        await keys.type("a/b")
        await keys.press("Escape")
        assert await stage.page.input_value(".filter") == ""
        reached = set[str]()
        await stage.page.evaluate("document.activeElement.blur()")
        for _ in range(60):
            await keys.press("Tab")
            reached.add(await stage.page.evaluate("document.activeElement.className"))
        assert {"stop", "option", "step", "filter", "head", "body", "chip", "quiet"} <= reached


async def focused(stage: Stage) -> str:
    label = await stage.page.evaluate("document.activeElement.closest('.lane').ariaLabel")
    return str(label)


async def test_keys_that_are_typed_into_the_view_reach_nobody_else(asking: View) -> None:
    async with staged(asking) as stage:
        await stage.page.evaluate(
            "window.keys = []; document.addEventListener('keydown', (e) => keys.push(e.key))"
        )
        await stage.page.focus(OWN)
        await stage.page.keyboard.type("dd")
        assert await stage.page.evaluate("keys") == []
        assert (
            await stage.page.evaluate("document.querySelector('.guildhall').dataset.lmSuppressShortcuts")
            == "true"
        )


async def test_a_screen_reader_hears_what_matters_and_never_the_text(recording: Recording) -> None:
    view = View()
    heard = """() => {
      window.heard = [];
      const look = () => heard.push(document.querySelector('.heard').textContent);
      const all = {childList: true, characterData: true, subtree: true};
      new MutationObserver(look).observe(document.querySelector('.heard'), all);
    }"""
    async with staged(view) as stage:
        await stage.page.evaluate(heard)
        for _ in recording.fed(view):
            await stage.push()
        await stage.until("() => heard.some((text) => text.includes('The run is done'))")
        said = await stage.page.evaluate("heard")
        assert len(said) <= 3  # the run took no second: what matters at once, and what came between
        assert any("clerk has a question for you: Is the discount worth it?" in text for text in said)
        assert not any("Clause 9" in text for text in said)
