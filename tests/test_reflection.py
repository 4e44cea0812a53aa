"""When a run is over, what it came to is remembered by rule, and whose work was faulted learns of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from support import Books

from guildhall.agents import Agent, Attachment, Hall, Member, Message, ModelReply, Run, ToolCall, tool
from guildhall.agents.event import Decided, Remembered
from guildhall.agents.kinds import Contribution
from guildhall.agents.models.scripted import Step
from guildhall.agents.notebook import noted
from guildhall.agents.patterns import Debate, Loop, Parallel, Pipeline
from guildhall.agents.patterns.checks import Quality
from guildhall.agents.patterns.supervised import Supervised
from guildhall.agents.rules import PLAIN, Ruled, Rules
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.agents.tools.memory import memory_tools
from guildhall.agents.tools.notes import note_tools
from guildhall.errors import ProviderError
from guildhall.memory.records import Author, Record

TASK = "Describe the harbour crane."


def agent(name: str, *steps: Step, **more: Any) -> Agent:
    return Agent(name, "Work.", [ScriptedModel(*steps, name=f"model-of-{name}")], **more)


def scored(value: float, reason: str) -> str:
    return json.dumps({"score": value, "reason": reason})


def asked(member: Agent, number: int = -1) -> list[str]:
    """The memories that a member was shown."""
    [model] = member.models
    assert isinstance(model, ScriptedModel)
    quotes = model.requests[number].turns[1].quotes
    return [quote.text for quote in quotes if quote.kind == "memory"]


async def records(hall: Hall, tag: str, **more: Any) -> list[Record]:
    found = await hall.search("", sort="recent", limit=50, tags=(tag,), **more)
    return [hit.record for hit in found.hits]


async def looped(hall: Hall) -> tuple[str, Agent]:
    """A run in which a critic faults the first version."""
    author = agent("author", "It is red.", "It is red and lifts 40 tons.")
    critic = agent("critic", scored(0.4, "The load is missing."), scored(0.9, "Good."))
    result = await hall.run_team(Loop("writers", [author], critic), TASK)
    assert result.status == "done", result.error
    return result.run_id, author


async def test_a_critics_verdict_is_a_lesson_that_its_author_alone_recalls_in_the_next_run(
    home: Path,
) -> None:
    async with Hall.open() as hall:
        run, _ = await looped(hall)
        [lesson] = await records(hall, "lesson")
        author, other = agent("author", "It is blue."), agent("editor", "edited")
        await hall.run_team(Pipeline("others", [author, other]), "Write of something else entirely.")
    assert lesson.text == (
        "On the task “Describe the harbour crane.”: critic scored the first version of author's answer 0.40, "
        "and 0.80 was needed: The load is missing. With that, a later version reached 0.90."
    )
    assert (lesson.visibility, lesson.author.agent, lesson.author.model) == (
        "private", "author", "model-of-author",
    )  # fmt: skip
    assert (lesson.author.run, lesson.author.team) == (run, "writers")
    assert (lesson.source, lesson.session) == (f"run:{run}", f"run:{run}")
    assert lesson.place.startswith("event ")
    assert asked(author) == [lesson.text]
    assert lesson.text not in asked(other)


@pytest.mark.parametrize("by", ["config", "team"])
async def test_lessons_can_be_switched_off_for_all_teams_or_one(by: str, home: Path) -> None:
    async with Hall.open() as hall:
        await looped(hall)
    if by == "config":
        (home / "config.toml").write_text("[memory]\nlessons = false\n")
    author = agent("author", "It is red.", "It is red.")
    critic = agent("critic", scored(0.1, "Why?"), scored(0.2, "Still: why?"))
    team = Ruled(Loop("writers", [author], critic, rounds=2), Rules(lessons=by == "config"))
    async with Hall.open() as hall:
        before = await records(hall, "lesson")
        await hall.run_team(team, TASK)
        assert await records(hall, "lesson") == before
    assert asked(author) == []


async def test_what_did_not_pass_and_what_mended_it_is_a_lesson_for_whoever_made_it(home: Path) -> None:
    joined = agent("joiner", "It is red.", "It is red and lifts 40 tons.")
    critic = agent("critic", scored(0.3, "No load is named"), scored(0.8, "Good"))
    team = Parallel("pair", [StubMember("ann", "Red."), StubMember("bob", "Red.")], joined)
    async with Hall.open() as hall:
        await hall.run_team(Supervised(team, PLAIN, checks=[Quality(critic, 0.7)]), TASK)
        [lesson] = await records(hall, "lesson")
    assert (lesson.author.agent, lesson.visibility) == ("joiner", "private")
    assert lesson.text.endswith(
        "joiner's answer did not pass the check quality: scored 0.30, and 0.7 is needed: No load is named. "
        "It passed once that was put right: It is red and lifts 40 tons."
    )


async def test_who_lost_before_the_judge_learns_why_and_the_verdict_is_a_decision(home: Path) -> None:
    ann = agent("ann", "Keep the old crane, as it is paid for.", "Critique.", "Keep the old crane.")
    bob = agent("bob", "Buy a new one: repairs cost more every year.", "Critique.", "Buy a new crane.")
    verdict = {"winner": "proposal B", "answer": "", "reason": "Proposal A shows no cost.", "dissent": ""}
    judge = agent("judge", json.dumps(verdict))
    async with Hall.open() as hall:
        result = await hall.run_team(Debate("court", [ann, bob], judge, agreement=1.0), "Which crane?")
        [lesson], [decision] = await records(hall, "lesson"), await records(hall, "decision")
    assert result.status == "done"
    assert lesson.author.agent == "ann"
    assert (
        "judge decided for bob's proposal, not for ann's alone: Proposal A (ann) shows no cost."
        in lesson.text
    )
    assert (decision.kind, decision.author.agent, decision.author.model) == (
        "decision", "judge", "model-of-judge",
    )  # fmt: skip
    assert "the verdict was for bob (judge)." in decision.text
    assert "Buy a new crane." in decision.text


async def test_of_a_tool_that_failed_it_is_remembered_what_worked_and_of_a_model_not_for_long(
    home: Path,
) -> None:
    @tool
    def weigh(unit: str) -> str:
        """Weigh it."""
        if unit != "kg":
            raise ValueError("only kg is known")
        return "5"

    def use(unit: str) -> ModelReply:
        return ModelReply(calls=(ToolCall(id="1", name="weigh", arguments={"unit": unit}),))

    broken = ScriptedModel(*[ProviderError("auth", "no key")] * 3, name="broken")
    ann = Agent("ann", "Work.", [broken, ScriptedModel(use("lb"), use("kg"), "It is 5.")], [weigh])
    async with Hall.open() as hall:
        result = await hall.run_team(ann, "How heavy is it?")
        by_subject = {one.subject: one for one in await records(hall, "lesson")}
    assert result.answer == "It is 5."
    of_tool, of_model = by_subject["tool weigh of ann"], by_subject["model broken"]
    assert of_tool.text == (
        'The tool weigh failed with {"unit": "lb"}: ValueError: only kg is known. It worked with '
        '{"unit": "kg"}.'
    )
    assert (of_tool.visibility, of_tool.author.agent) == ("private", "ann")
    assert of_model.text == "The model broken failed 3 times, last with auth: no key"
    assert of_model.expires_at is not None


async def test_what_members_left_open_is_remembered_until_the_same_task_leaves_nothing_open(
    home: Path,
) -> None:
    def says(points: tuple[str, ...]) -> Member:
        class Typed(StubMember):
            async def run(self, message: Message, run: Run) -> Message:
                data = Contribution(
                    answer="Red.", reasons=(), sources=(), open_points=points, confidence=0.5, claims=()
                )
                return run.answer(message, data.said(), data=data)

        return Typed("ann")

    async with Hall.open() as hall:
        await hall.run_team(Parallel("team", [says(("Who owns it?",))]), TASK)
        [found] = await records(hall, "open question")
        await hall.run_team(Parallel("team", [says(())]), TASK)
        left = await records(hall, "open question")
    assert found.text == f"Open after the task for team: {TASK}\n- Who owns it?"
    assert left == []


async def test_contradictions_that_stand_and_questions_of_the_notebook_are_open(home: Path) -> None:
    def note(text: str, **more: str) -> ModelReply:
        return ModelReply(calls=(ToolCall(id="1", name="note", arguments={"text": text, **more}),))

    ann = agent(
        "ann", note("Who pays?", kind="question"), note("Who signs?", kind="question"),
        note("Bob signs.", closes="note:2"), note("We lease it.", kind="decision"), "It lifts 40 tons.",
        tools=note_tools(),
    )  # fmt: skip
    bob = StubMember("bob", "It lifts 60 tons.")
    async with Hall.open() as hall:
        result = await hall.run_team(Parallel("team", [ann, bob]), TASK)
        [found], [decision] = await records(hall, "open question"), await records(hall, "decision")
    assert "Contradictions" in result.answer
    assert "- Who pays?" in found.text
    assert "Who signs?" not in found.text
    assert "members contradict each other: ann: It lifts 40 tons.; bob: It lifts 60 tons." in found.text
    assert (decision.text, decision.author.agent, decision.author.team) == ("We lease it.", "ann", "team")


async def test_the_same_task_again_asks_the_same_whatever_is_remembered_of_it(home: Path) -> None:
    said = []
    async with Hall.open() as hall:
        for number in range(9):
            await hall.remember(f"Describe the crane of harbour {number}.")
        for _ in range(2):
            ann = agent("ann", "It lifts 40 tons.")
            team = Parallel("team", [ann, StubMember("bob", "It lifts 60 tons.")])
            await hall.run_team(team, TASK)
            said.append(asked(ann))
        outcomes, still = await records(hall, "outcome"), await records(hall, "open question")
    assert said[0] == said[1]
    assert len(said[0]) == 5
    assert (len(outcomes), len(still)) == (1, 1)


async def test_an_outcome_is_trusted_no_more_than_what_it_was_told_and_links_to_what_it_cites(
    home: Path,
) -> None:
    async with Hall.open() as hall:
        vague = await hall.remember("The harbour crane may be red.", trust=0.6)
        sure = await hall.remember("The harbour crane stands at pier 4.")
        answer = f"It stands at pier 4 [memory:{sure.id[:8]}].\nPaint it anew in May."
        await hall.run_team(agent("ann", answer), TASK)
        [outcome] = await records(hall, "outcome")
    assert outcome.trust == 0.6
    assert outcome.derived_from == (sure.id,)
    assert vague.id not in outcome.derived_from
    assert "Paint it anew in May." in outcome.text
    assert "pier 4" not in outcome.text


async def test_what_was_recalled_is_not_stored_again_though_nobody_cites_it(home: Path) -> None:
    books = Books()
    known = "The harbour crane was built by Krupp in 1962 and lifts forty tons."
    async with Hall.open() as hall:
        await hall.remember(known)
        await hall.run_team(agent("ann", f"{known}\nIt lifts fifty tons since 2020."), TASK, sinks=[books])
        await hall.run_team(
            agent("bob", f"- {known} [see above]"), "What of the harbour crane?", sinks=[books]
        )
    assert [event.text for event in books.of(Remembered)] == [
        f"Task for ann: {TASK}\nOutcome: It lifts fifty tons since 2020."
    ]


async def test_lessons_and_outcomes_of_private_data_are_private(home: Path) -> None:
    secret = Attachment(name="a.txt", media_type="text/plain", data=b"It is 5.", private=True)
    author = agent("author", "It is 5.", "It is five.")
    critic = agent("critic", scored(0.1, "In words."), scored(0.9, "Good."))
    async with Hall.open() as hall:
        await hall.run_team(Loop("writers", [author], critic), TASK, files=[secret])
        found = [*await records(hall, "lesson"), *await records(hall, "outcome")]
    assert [one.private for one in found] == [True, True]


async def test_what_is_private_to_one_agent_is_not_quoted_to_a_team_of_others(home: Path) -> None:
    async with Hall.open() as hall:
        text = "The harbour crane is bob's favourite."
        await hall.remember(text, visibility="private", author=Author(agent="bob"))
        await hall.remember(f"{text} So the others say.", visibility="team", author=Author(team="rivals"))
        ann, bob = agent("ann", "Red."), agent("bob", "Blue.")
        await hall.run_team(Pipeline("team", [ann, bob]), TASK)
    assert (asked(ann), asked(bob)) == ([], [text])


async def test_what_is_for_a_team_is_recalled_by_its_members(home: Path) -> None:
    class Keeps(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await run.remember("The harbour crane is for us.", visibility="team")
            return await super().run(message, run)

    async with Hall.open() as hall:
        await hall.run_team(Pipeline("team", [Keeps("ann", "Kept.")]), "Keep it.")
        mine, theirs = agent("bob", "Red."), agent("bob", "Red.")
        await hall.run_team(Pipeline("team", [mine]), TASK)
        await hall.run_team(Pipeline("others", [theirs]), TASK)
        [record] = [one for one in await records(hall, "outcome") if "Keep it." in one.text]
    assert "The harbour crane is for us." in asked(mine)
    assert "The harbour crane is for us." not in asked(theirs)
    assert record.author.team == "team"


async def test_what_a_team_has_learned_is_told_when_it_does_the_same_again(home: Path) -> None:
    def team(*scores: float) -> tuple[Agent, Loop]:
        critic = agent("critic", *(scored(one, "The load is missing.") for one in scores))
        first = agent("ann", *["It is red."] * len(scores))
        return first, Loop("pair", [first, agent("bob", *["Red, says bob."] * len(scores))], critic)

    async with Hall.open() as hall:
        await hall.run_team(team(0.2, 0.9)[1], TASK)
        [lesson] = await records(hall, "lesson")
        ann, again = team(0.9)
        await hall.run_team(again, TASK)
    assert (lesson.visibility, lesson.author.team) == ("team", "pair")
    assert asked(ann) == [lesson.text]


async def test_an_outcome_is_whole_though_the_earlier_one_of_the_task_was_recalled(home: Path) -> None:
    lines = "The harbour crane lifts forty tons at most.", "The harbour crane was painted in May."
    look = ModelReply(calls=(ToolCall(id="1", name="recall", arguments={"query": "harbour crane"}),))
    async with Hall.open() as hall:
        await hall.run_team(agent("ann", lines[0]), TASK)
        await hall.run_team(agent("ann", look, "\n".join(lines), tools=memory_tools()), TASK)
        [outcome] = await records(hall, "outcome")
    assert outcome.text == f"Task for ann: {TASK}\nOutcome: {lines[0]}\n{lines[1]}"


@pytest.mark.parametrize("had_some", [True, False])
async def test_a_resumed_run_is_shown_what_it_was_shown_before_and_remembers_nothing_twice(
    had_some: bool, home: Path
) -> None:
    author = agent("author", "Blue.", "It is asked once more.")
    team = Pipeline("line", [author, agent("editor", ProviderError("auth", "no key"), "Edited.")])
    books = Books()
    async with Hall.open() as hall:
        if had_some:
            await looped(hall)
        failed = await hall.run_team(team, "Write of something else.")
        assert failed.status == "failed"
        await hall.remember("Mind the commas.", visibility="private", author=Author(agent="author"))
        again = await hall.resume(failed.run_id, team=team, sinks=[books])
        outcomes = [one for one in await records(hall, "outcome") if "something else" in one.text]
    [model] = author.models
    assert isinstance(model, ScriptedModel)
    assert again.status == "done"
    assert len(model.requests) == 1
    assert not [event for event in books.of(Decided) if event.what == "journal"]
    assert len(outcomes) == 1


class Asking(StubMember):
    """Leaves a question open, or is told something by the web."""

    asks = True

    async def run(self, message: Message, run: Run) -> Message:
        if self.asks:
            await noted(run, "Who pays for the paint?", kind="question", task="", author="bob", private=False)
        else:
            run.state.hears("browse", 0.4)
        return await super().run(message, run)


async def test_what_is_in_quarantine_closes_no_open_question_and_nothing_false_is_said(home: Path) -> None:
    async with Hall.open() as hall:
        await hall.run_team(Asking("bob", "Red it is, then."), "Which colour for the barn?")
        later = Asking("bob", "Blue, as a page claims.")
        later.asks = False
        result = await hall.run_team(later, "Which colour for the barn?")
        still = await records(hall, "open question")
    assert (result.status, result.notices) == ("done", ())
    assert [record.valid_to for record in still] == [None]
