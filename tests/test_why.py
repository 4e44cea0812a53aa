"""From any words of an answer back to whoever said them, to what that rests on, and to the task."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ended import ended
from managing import Working, managed, plan, step
from shell import HOSTILE, TASK, data, done, guildhall
from support import Books

from guildhall.agents import (
    Agent,
    Hall,
    Member,
    Message,
    ModelReply,
    Parallel,
    Pipeline,
    Quote,
    Run,
    ToolCall,
    ToolContext,
    tool,
)
from guildhall.agents.event import Answered, Event, Finished, Question, RunStarted
from guildhall.agents.kinds import Score
from guildhall.agents.patterns import Graph, GroupChat, Hierarchy, Repeat, Step
from guildhall.agents.patterns.checks import Acceptance
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import ProviderError, UserError
from guildhall.names import PATTERNS
from guildhall.view.why import Link, why

NOTES = "# Log\n\nThe pump failed at noon.\n\nThe spare part comes in May.\n"


def agent(name: str, *said: Any, **more: Any) -> Agent:
    return Agent(name, "Answer.", [ScriptedModel(*said)], **more)


async def events_of(team: Member, task: str = "What happened?", **options: Any) -> list[Event]:
    books = Books()
    async with Hall.open() as hall:
        await hall.run_team(team, task, sinks=[books], **options)
    return books.events


def told(links: Sequence[Link]) -> list[tuple[str, str]]:
    return [(link.who, link.what) for link in links]


def of(links: Sequence[Link], who: str, what: str) -> Link:
    [link] = [link for link in links if (link.who, link.what) == (who, what)]
    return link


async def test_a_statement_leads_to_whoever_said_it_and_to_the_place_in_the_document(project: Path) -> None:
    (project / "log.md").write_text(NOTES)
    team = Parallel(
        "team",
        [agent("ann", "The pump failed at noon [log.md:3]."), agent("bob", "The part comes [log.md:5].")],
        agent("chair", "In sum:\n**the pump failed** at\nnoon, says [log.md:3]; wait."),
    )  # fmt: skip
    events = await events_of(team, files=["log.md"])
    links = why(events, "the pump failed at noon", files=["log.md"])
    assert [link.who for link in links if link.says_it and link.what == "replied"] == ["chair", "ann"]
    assert links[0].who == "the run"
    assert of(links, "ann", "replied").sources == (("log.md:3", "The pump failed at noon."),)
    assert links[-1].what == "asked"
    assert links[-1].sources[0][0] == "log.md"
    assert ("team", "passed on to chair") in told(links)
    numbers = [link.event for link in links]
    assert numbers == sorted(set(numbers), reverse=True)
    assert all(cause < link.event and cause in numbers for link in links for cause in link.because)


async def test_a_member_who_worked_beside_is_no_cause_of_what_another_said() -> None:
    team = Parallel("team", [agent("ann", "yes it is"), agent("bob", "no it is not")], agent("chair", "well"))
    events = await events_of(team)
    [reply] = [event for event in events if event.kind == "replied" and event.who == "bob"]
    assert {link.who for link in why(events, str(reply.id))} == {"bob", "team", "user"}
    assert {link.who for link in why(events, "well")} == {"the run", "chair", "ann", "bob", "team", "user"}


async def test_what_a_tool_showed_is_reached_with_the_call_and_the_reply_that_asked_for_it() -> None:
    @tool
    def look(context: ToolContext, word: str) -> str:
        """Look something up."""
        context.run.show([Quote(label="log.md", kind="document", text="The pump failed.")])
        return f"[log.md:1] The pump failed ({word})."

    call = ModelReply(text="I must look.", calls=(ToolCall(id="1", name="look", arguments={"word": "pump"}),))
    events = await events_of(agent("clerk", call, "It failed [log.md:1].", tools=[look]))
    links = why(events, "It failed")
    was_told, called = of(links, "clerk", "was told"), of(links, "clerk", "called")
    assert called.event in was_told.because
    assert "look(word='pump'), since I must look." in called.text
    first, second = [link for link in reversed(links) if link.what == "replied"]
    assert first.event in called.because
    asked = next(link for link in links if link.event == second.because[0])
    assert was_told.event in asked.because
    assert second.sources == (("log.md:1", "The pump failed."),)


async def test_a_memory_that_was_recalled_is_reached_with_its_label() -> None:
    async with Hall.open() as hall:
        kept = await hall.remember("The pump is made in Turin.")
        books = Books()
        label = f"memory:{kept.id[:8]}"
        await hall.run_team(agent("ann", f"In Turin [{label}]."), "Where is the pump made?", sinks=[books])
    links = why(books.events, "In Turin")
    assert of(links, "user", "recalled").sources == ((label, "The pump is made in Turin."),)
    assert of(links, "ann", "replied").sources == ((label, "The pump is made in Turin."),)


async def test_a_speech_leads_to_its_own_choice_and_by_what_was_said_before_to_those_of_others() -> None:
    team = GroupChat("team", [StubMember("ann", "hm"), StubMember("bob", "well")], rounds=12)
    events = await events_of(team)
    links = {link.event: link for link in why(events, str(events[-1].id))}
    chosen = {number for number, link in links.items() if link.what == "decided: speaker"}
    started = [link for link in links.values() if link.what == "was given" and link.who != "team"]
    assert len(chosen) == len(started) == 12
    assert {len(chosen.intersection(link.because)) for link in started} == {1}
    before_last = why(events, str(started[0].event))
    assert sum(link.what == "decided: speaker" for link in before_last) == 12


async def test_a_decision_that_names_no_evidence_rests_on_all_that_was_said_by_then() -> None:
    class Judges(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            for said in ("one", "two"):
                await run.give(StubMember("ann", said), message)
            run.decided("gate", "enough", "so it seems")
            return run.answer(message, "enough of it")

    events = await events_of(Judges("clerk"))
    [gate] = [event for event in events if event.kind == "decided"]
    texts = [link.text for link in why(events, str(gate.id)) if link.what == "answered"]
    assert texts == ["two", "one"]


async def test_a_check_that_sent_an_answer_back_is_reached_and_so_is_the_answer_that_was_bad() -> None:
    reviews = ['{"accepted": false, "reason": "no date"}', '{"accepted": true, "reason": ""}']
    check = Acceptance(agent("critic", *reviews), "It names a date.")
    team = Pipeline(
        "line", [agent("ann", "some day", "in May"), agent("bob", "the end")], checks={"ann": check}
    )
    links = why(await events_of(team), "the end")
    texts = [link.text for link in links if link.what == "decided: check"]
    assert texts == ["passed, since acceptance: nothing is wrong", "not passed, since no date"]
    assert [link.text for link in links if link.what == "replied" and link.who == "ann"] == [
        "in May",
        "some day",
    ]


async def test_in_a_graph_a_step_leads_to_what_it_needs_and_to_no_other_step() -> None:
    members = [
        agent("ann", "draft one", "draft two"), agent("bob", '{"score": 0.1, "reason": "dull"}',
        '{"score": 0.9, "reason": ""}'), agent("cid", "aside"), agent("dee", "the end"),
    ]  # fmt: skip
    steps = [
        Step("draft", "ann", "Draft."),
        Step("rate", "bob", "Rate.", ("draft",), output=Score, repeat=Repeat("draft", "rate.score < 0.5")),
        Step("aside", "cid", "Look aside."),
        Step("end", "dee", "End.", ("rate", "aside")),
    ]
    events = await events_of(Graph("team", members, steps))
    links = why(events, "the end")
    assert {link.who for link in links} == {"the run", "team", "ann", "bob", "cid", "dee", "user"}
    assert of(links, "team", "decided: step").text == "draft, since rate.score < 0.5, after round 1 of 3"
    second = why(events, "draft two")
    assert ("bob", "replied") in told(second)
    assert "cid" not in {link.who for link in second}
    assert {link.who for link in why(events, "draft one")} == {"ann", "team", "user"}


async def test_in_a_hierarchy_a_step_and_its_review_lead_to_what_it_needs_and_to_no_other_step() -> None:
    boss, _ = managed(
        plan(
            step("a", "x", acceptance="ok"),
            step("b", "y", acceptance="ok"),
            step("c", "z", "b", acceptance="ok"),
        )
    )
    team = Hierarchy("team", [Working("x"), Working("y"), Working("z")], boss)
    events = await events_of(team)
    review = max(event.id for event in events if event.path == "team/check:b")
    work = max(event.id for event in events if event.path == "team/step:c")
    for number in (review, work):
        links = why(events, str(number))
        assert of(links, "y", "answered").text == "y did b"
        assert "x" not in {link.who for link in links}
        assert not [link for link in links if "x did a" in link.text]
    assert {"x", "y", "z"} < {link.who for link in why(events, str(events[-1].id))}


async def test_a_step_that_was_done_again_leads_to_the_review_of_its_own_answer_alone() -> None:
    boss, _ = managed(
        plan(step("a", "x", acceptance="ok"), step("b", "y", acceptance="ok")),
        objection=lambda answer: "" if "again" in answer else f"say more than {answer}",
    )
    team = Hierarchy("team", [Working("x"), Working("y")], boss)
    events = await events_of(team)
    again = max(event.id for event in events if event.path == "team/step:b.2")
    texts = [link.text for link in why(events, str(again)) if link.what == "decided: check"]
    assert texts == ["not passed, since say more than y did b"]


@pytest.mark.slow
def test_the_causes_in_a_run_of_very_many_members_are_found_too() -> None:
    program = """
from guildhall.agents import event as ev
from guildhall.agents.budget import Budget
from guildhall.view.why import why

def chain(many, *, said):
    events = []
    def add(kind, path, who, **fields):
        events.append(kind(id=len(events) + 1, run="r", at=0, path=path, who=who, **fields))
    given = {"task": "t", "brief": "", "role": "", "models": (), "sources": ()}
    ended = {"outcome": "answered", "sources": ()}
    add(ev.RunStarted, "", "user", team="t", task="t", budget=Budget(), pattern="", resumed=False)
    add(ev.Started, "team", "team", **given)
    for number in range(many):
        add(ev.Started, f"team/s{number}", f"m{number % 5}", **given)
        add(ev.Finished, f"team/s{number}", f"m{number % 5}", text=f"text {number}", **ended)
        if said:
            add(ev.Said, "team", "team", to=f"m{(number + 1) % 5}", type="response",
                text=f"m{number % 5}: text {number}", sources=())
    add(ev.Finished, "team", "team", text="the end", **ended)
    return events

for said in (False, True):
    events = chain(10_000, said=said)
    links = why(events, str(events[-2].id))
    print(len({link.who for link in links}), len(links) > 19_000, links[-1].event)
"""
    assert ended(program).splitlines() == ["7 True 1"] * 2


async def test_an_attempt_that_was_lost_is_why_it_was_asked_again() -> None:
    broken = ScriptedModel(ProviderError("not_found", "no such model"), name="broken")
    events = await events_of(Agent("ann", "Answer.", [broken, ScriptedModel("well")]))
    links = why(events, "well")
    assert of(links, "ann", "got no reply").text == "not_found: no such model"


async def test_what_a_human_answered_is_reached_with_the_question() -> None:
    class Asking(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            here = run.span("question")
            question = here.emit(Question, text="Which pump?", options=("left", "right"))
            here.emit(Answered, question=question, text="the left one")
            return run.answer(message, "It was the left one.")

    links = why(await events_of(Asking("ann")), "It was the left one")
    answered = of(links, "ann", "was answered")
    assert of(links, "ann", "asked a human").event in answered.because
    assert answered.event in of(links, "ann", "answered").because


async def test_a_resumed_run_leads_back_to_what_was_paid_for_before_and_to_its_first_start() -> None:
    kept = ScriptedModel("found in the first sitting")

    def team(*said: Any) -> Pipeline:
        return Pipeline("line", [Agent("ann", "Answer.", [kept]), agent("bob", *said)])

    async with Hall.open() as hall:
        failed = await hall.run_team(team(ProviderError("auth", "no key")), "Well?")
        await hall.resume(failed.run_id, team=team("the end"))
        events = await hall.events(failed.run_id)
    links = why(events, "the end")
    started = [event.id for event in events if isinstance(event, RunStarted)]
    assert len(started) == 2
    assert {*started} <= {link.event for link in links}
    assert links[-1].event == 1
    assert of(links, "ann", "replied").event < started[1]


@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "graph"])
async def test_every_end_leads_back_to_the_start_whatever_the_pattern(pattern: str, project: Path) -> None:
    (project / "log.md").write_text(NOTES)
    books = Books()
    async with Hall.open() as hall:
        result = await hall.run_team(
            "research", "When did the pump fail?", pattern=pattern, files=["log.md"], sinks=[books]
        )
    assert result.status == "done"
    for event in books.events:
        assert why(books.events, str(event.id))[-1].event == 1, event
    answer = why(books.events, str(books.events[-1].id))
    ends = [event for event in books.of(Finished) if event.outcome == "answered" and "/" in event.path]
    assert {event.id for event in ends} & {link.event for link in answer}
    assert "replied" in {link.what for link in answer}
    assert "log.md:3" in {label for link in answer for label, _ in link.sources}


async def test_events_that_are_missing_break_nothing(project: Path) -> None:
    (project / "log.md").write_text(NOTES)
    books, rng = Books(), random.Random(1)
    async with Hall.open() as hall:
        await hall.run_team("research", "When did the pump fail?", files=["log.md"], sinks=[books])
    for _ in range(60):
        some = [event for event in books.events if rng.random() < 0.7]
        for event in some:
            links = why(some, f"#{event.id}")
            assert links[0].event == event.id
            assert all(cause < link.event for link in links for cause in link.because)


# -- in the shell


@pytest.fixture
def ran(harbour: Path) -> str:
    run_id: str = data("run", "duo", TASK, "--file", "notes.md")["run_id"]
    return run_id


def test_the_shell_shows_numbers_and_walks_back_from_each_of_them(ran: str) -> None:
    shown = done("runs", "show", ran)
    numbers = [word[1:] for word in shown.split() if word.startswith("#") and word[1:].isdecimal()]
    assert len(numbers) >= 4
    for number in numbers:
        chain = done("runs", "show", ran, "--why", number).splitlines()
        assert chain[0].split()[0] == f"#{number}"
        assert f"user asked: {TASK}" in chain[-2]
        assert chain[-1].strip() == "[notes.md]"


def test_the_shell_finds_the_event_that_says_it_and_its_place(ran: str) -> None:
    chain = done("runs", "show", ran, "--why", "because of the storm")
    assert "#" in chain.splitlines()[0]
    assert "[notes.md:1] The harbour was closed in March because of the storm." in chain
    assert "* has these words" in chain
    told = data("runs", "show", ran, "--why", "because of the storm")
    assert told["run_id"] == ran
    assert [link["event"] for link in told["why"]][-1] == 1
    assert {"label": "notes.md:1", "text": "The harbour was closed in March because of the storm."} in [
        source for link in told["why"] for source in link["sources"]
    ]


@pytest.mark.parametrize("asked", ["9999", "#0", "what nobody said", "", "..."])
def test_an_event_that_is_not_there_is_a_usage_error(ran: str, asked: str) -> None:
    result = guildhall("runs", "show", ran, "--why", asked)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no event of this run is or says" in result.stderr
    assert "a number from 1 to " in result.stderr


def test_what_it_shows_drives_no_terminal(harbour: Path) -> None:
    (harbour / "hostile.md").write_text(HOSTILE)
    ran = data("run", "duo", f"{TASK} \x1b]0;owned\x07\u202e", "--file", "hostile.md")["run_id"]
    chain = done("runs", "show", ran, "--why", "harbour")
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\u2066"} & {*chain}
    said = json.dumps(data("runs", "show", ran, "--why", "harbour"), ensure_ascii=False)
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\u2066"} & {*said}


def test_words_of_any_script_are_found() -> None:
    events: list[Event] = [
        RunStarted(id=1, run="r", path="", who="user", at=1.0, team="t", task="泵在中午坏了。", budget={}),  # type: ignore[arg-type]  # as JSON has it
    ]
    assert why(events, "中午坏")[0].event == 1
    with pytest.raises(UserError, match="no event of this run"):
        why([], "1")
