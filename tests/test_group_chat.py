"""One conversation: who speaks next, what each hears, and how it ends."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dying import Lines, whole_and_died_anywhere
from support import Books, given

from guildhall.agents import Agent, Budget, Message, Run
from guildhall.agents.event import Decided, Said, Started
from guildhall.agents.kinds import Score, Speaker, Wanted
from guildhall.agents.patterns import GroupChat, Parallel
from guildhall.agents.patterns.group_chat import GroupChatSpec, addressed
from guildhall.agents.specs import read_team
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, FileError, NeedsInput, TooFew, UserError


class Says(StubMember):
    """Says one thing after the other, then passes."""

    def __init__(self, name: str, *said: str | Exception) -> None:
        super().__init__(name)
        self.said = [*said]

    async def run(self, message: Message, run: Run) -> Message:
        self.answer = self.said.pop(0) if self.said else "PASS"
        return await super().run(message, run)

    def heard(self, number: int) -> list[str]:
        """What was said before its speech of that number, counted from 0."""
        quotes = self.messages[number].quotes
        return [f"{quote.label}: {quote.text}" for quote in quotes if quote.kind == "answer"]


def chooser(*choices: str | Exception) -> Agent:
    said = [
        choice if isinstance(choice, Exception) else Speaker(speaker=choice, reason="so").model_dump_json()
        for choice in choices
    ]
    return Agent("chair", "Moderate.", [ScriptedModel(*said)])


def state() -> tuple[RunState, Books]:
    books = Books()
    return RunState("r" * 32, sinks=[books]), books


def speakers(books: Books) -> list[str]:
    return [event.path for event in books.of(Started)][1:]


async def test_members_speak_in_turn_and_each_hears_all_that_was_said_and_by_whom() -> None:
    ann, bob, cid = Says("ann", "a1", "a2"), Says("bob", "b1"), Says("cid", "c1")
    run, books = state()
    answer = await given(GroupChat("team", [ann, bob, cid], rounds=4), "Well?", state=run)
    assert answer.text == "a2"
    assert speakers(books) == ["team/ann", "team/bob", "team/cid", "team/ann.2"]
    assert cid.heard(0) == ["ann: a1", "bob: b1"]
    assert ann.heard(1) == ["ann: a1", "bob: b1", "cid: c1"]
    assert ann.messages[1].text == "Well?"
    assert books.of(Decided)[0].reason == "ann is the next in turn"
    assert [(said.text, said.to) for said in books.of(Said)] == [
        ("ann: a1", "bob"), ("bob: b1", "cid"), ("cid: c1", "ann"),
    ]  # fmt: skip


async def test_whoever_was_asked_directly_speaks_next_and_the_turn_goes_on_from_there() -> None:
    ann = Says("ann", "@dan and @Bob: is it so?", "a2")
    members = [ann, Says("bob", "no"), Says("cid", "c1"), Says("dan", "yes")]
    run, books = state()
    await given(GroupChat("team", members, rounds=4), "Well?", state=run)
    assert speakers(books) == ["team/ann", "team/dan", "team/bob", "team/cid"]
    assert [event.reason for event in books.of(Decided)][1:3] == [
        "dan was asked directly", "bob was asked directly",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@ann, please", ["ann"]),
        ("ask @ann-lee then @ANN", ["ann-lee", "ann"]),
        ("mail to x@ann.org or @annabel", []),
        ("@ann @ann @bob", ["ann", "bob"]),
        ("(@bob)", ["bob"]),
    ],
)
def test_a_name_is_asked_where_it_stands_alone_behind_its_sign(text: str, found: list[str]) -> None:
    assert addressed(text, ["ann", "ann-lee", "bob"]) == found


async def test_the_moderator_picks_who_speaks_and_ends_it_and_sums_up() -> None:
    ann, bob = Says("ann", "a1", "a2"), Says("bob", "@ann why?")
    chair = chooser("bob", "ann", "")
    model = chair.models[0]
    assert isinstance(model, ScriptedModel)
    model._steps = (*model._steps, "in sum")
    run, books = state()
    answer = await given(GroupChat("team", [ann, bob], chair), "Well?", state=run)
    assert answer.text == "in sum"
    assert (ann.calls, bob.calls) == (1, 1)
    assert [event.choice for event in books.of(Decided) if event.what == "speaker"] == ["bob", "ann", ""]
    second = model.requests[1].turns[1].prompt()
    assert "Asked directly, and still to answer: ann." in second
    assert "specialist bob" not in second  # who has just spoken is not offered
    assert "@ann why?" in model.requests[3].turns[1].prompt()
    assert "a1" in model.requests[3].turns[1].prompt()


async def test_a_speaker_who_is_not_there_goes_back_to_the_moderator() -> None:
    chair = Agent("chair", "Moderate.", [ScriptedModel(
        Speaker(speaker="zoe", reason="so").model_dump_json(),
        Speaker(speaker="bob", reason="so").model_dump_json(),
        "in sum",
    )])  # fmt: skip
    ann, bob = Says("ann", "a1"), Says("bob", "b1")
    assert (await given(GroupChat("team", [ann, bob], chair, rounds=1), "Well?")).text == "in sum"
    assert (ann.calls, bob.calls) == (0, 1)


async def test_a_moderator_that_fails_leaves_it_to_the_rule_and_the_last_word_is_the_answer() -> None:
    chair = StubMember("chair", Failure("asleep"))
    ann, bob = Says("ann", "a1"), Says("bob", "b1")
    run, _ = state()
    answer = await given(GroupChat("team", [ann, bob], chair, rounds=2), "Well?", state=run)
    assert answer.text == "b1"
    assert run.notices == [
        "chair could not say who is next: asleep", "chair could not sum up: asleep; this is the last word",
    ]  # fmt: skip


async def test_the_synthesizer_sums_up_all_that_was_said() -> None:
    chair = StubMember("chair", "in sum")
    members = [Says("ann", "it is 5"), Says("bob", "it is 7")]
    answer = await given(GroupChat("team", members, rounds=2, synthesizer=chair), "Well?")
    assert answer.text == "in sum"
    assert [quote.text for quote in chair.messages[0].quotes] == ["it is 5", "it is 7"]
    assert "contradict" in chair.messages[0].brief


async def test_it_ends_when_all_pass_one_after_the_other() -> None:
    ann, bob, cid = Says("ann", "a1", "a2"), Says("bob", "PASS", "b1", "Pass."), Says("cid", "*pass*")
    run, books = state()
    answer = await given(GroupChat("team", [ann, bob, cid], rounds=50), "Well?", state=run)
    assert answer.text == "b1"
    assert len(speakers(books)) == 8
    assert books.of(Decided)[-1].reason == "nobody has anything to add"


@pytest.mark.parametrize("broken", [0, 1, 2])
async def test_whoever_fails_the_conversation_goes_on_and_it_is_said(broken: int) -> None:
    members = [Says(name, f"{name} says") for name in ("ann", "bob", "cid")]
    members[broken].said = [Failure("tired")]
    chair = StubMember("chair", "in sum")
    run, _ = state()
    await given(GroupChat("team", members, rounds=3, synthesizer=chair), "Well?", state=run)
    names = [member.name for member in members if member is not members[broken]]
    assert [quote.label for quote in chair.messages[0].quotes] == names
    assert run.notices == [f"{members[broken].name} could not speak: tired"]


async def test_where_nobody_says_anything_the_team_fails_and_says_why() -> None:
    with pytest.raises(TooFew, match="nobody has said anything: ann: tired; bob: no key"):
        await given(
            GroupChat("team", [StubMember("ann", Failure("tired")), StubMember("bob", Failure("no key"))]),
            "?",
        )
    with pytest.raises(TooFew, match="all have passed"):
        await given(GroupChat("team", [Says("ann"), Says("bob")]), "?")


async def test_who_waits_for_a_human_stops_the_conversation() -> None:
    with pytest.raises(NeedsInput):
        await given(GroupChat("team", [StubMember("ann", NeedsInput("Which?", "q1")), Says("bob", "b")]), "?")


async def test_the_budget_ends_in_the_middle_and_the_last_word_stands() -> None:
    agents = [Agent(name, "Talk.", [ScriptedModel(f"{name} says")]) for name in ("ann", "bob", "cid")]
    run, books = state()
    run.meter.budget = Budget(calls=2)
    chair = Agent("chair", "Sum up.", [ScriptedModel()])
    answer = await given(GroupChat("team", agents, rounds=3, synthesizer=chair), "Well?", state=run)
    assert answer.text == "bob says"
    assert books.balanced
    assert any("cid could not speak: no room" in notice for notice in run.notices)


async def test_it_can_be_asked_for_a_typed_answer() -> None:
    score = Score(score=0.5, reason="half").model_dump_json()
    ann = Agent("ann", "Talk.", [ScriptedModel("a1")])
    bob = Agent("bob", "Talk.", [ScriptedModel("b1", score)])
    run, _ = state()
    chat = GroupChat("chat", [ann, bob], rounds=2)
    answer = await Run(run).give(chat, Message(text="Well?"), wanted=Wanted(Score))
    assert answer.data == Score(score=0.5, reason="half")


async def test_it_works_within_other_teams_and_keeps_what_they_want_done() -> None:
    ann = Says("ann", "a1")
    chat = GroupChat("chat", [ann, Says("bob", "b1")], rounds=2)
    message = Message(text="Well?").briefed("Only of ships.")
    answer = await Run(RunState("r" * 32)).give(Parallel("team", [chat]), message)
    assert "b1" in answer.text
    assert "Only of ships." in ann.messages[0].brief


async def test_a_run_that_died_anywhere_takes_the_same_way_and_pays_nothing_twice(tmp_path: Path) -> None:
    def pick(name: str) -> str:
        return Speaker(speaker=name, reason="so").model_dump_json()

    lines = Lines(
        {
            "ann": ["a1"],
            "bob": ["@ann b1", "b2"],
            "chair": [pick("bob"), pick("ann"), pick("bob"), pick(""), "end"],
        }
    )

    def team(lines: Lines) -> GroupChat:
        ann, bob, chair = (
            Agent(name, f"You are {name}.", [lines.model(name)]) for name in ("ann", "bob", "chair")
        )
        return GroupChat("team", [ann, bob], chair)

    assert (await whole_and_died_anywhere(team, lines, tmp_path)).answer == "end"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda ann, bob: GroupChat("team", [ann]), "1 member and needs 2 or more"),
        (lambda ann, bob: GroupChat("team", [ann, ann]), "several members called ann"),
        (lambda ann, bob: GroupChat("team", [ann, bob], ann), "ann moderates and is a member"),
        (lambda ann, bob: GroupChat("team", [ann, bob], rounds=0), "rounds is 0; give a whole number"),
        (lambda ann, bob: GroupChat("team", [ann, bob], "chair"), "'chair' for a member"),  # type: ignore[arg-type]  # what is wrong
    ],
)
def test_what_cannot_work_is_refused_at_once(make: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        make(StubMember("ann"), StubMember("bob"))


FILE = "---\nname: t\ndescription: d\npattern: group_chat\nmembers: [ann, bob]\n{}\n---\nBe brief.\n"


def test_a_team_file_can_say_all_of_it() -> None:
    spec = read_team(FILE.format("moderator: chair\nrounds: 9\nsynthesizer: editor").encode())
    assert isinstance(spec, GroupChatSpec)
    assert (spec.moderator, spec.rounds, spec.synthesizer) == ("chair", 9, "editor")


def test_a_team_file_that_cannot_work_is_refused() -> None:
    for lines, words in (("rounds: 0", "rounds"), ("moderator: ann", "ann moderates"), ("turns: 3", "turns")):
        with pytest.raises(FileError, match=words):
            read_team(FILE.format(lines).encode())


async def test_who_has_failed_twice_is_offered_no_more() -> None:
    bad, good = StubMember("bad", RuntimeError("down")), StubMember("good", "I say so")
    other = StubMember("other", "So do I")

    class Stubborn(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            names = [quote.label for quote in message.quotes if quote.kind == "specialist"]
            self.messages.append(message)
            speaker = Speaker(speaker="bad" if "bad" in names else names[0], reason="so")
            return run.answer(message, speaker.said(), data=speaker)

    await given(GroupChat("team", [bad, good, other], Stubborn("chair", ""), rounds=9), "Go.")
    assert (bad.calls, good.calls + other.calls) == (2, 7)


async def test_where_one_is_left_who_has_just_spoken_it_ends() -> None:
    ann, bob = Says("ann", *(f"a{n}" for n in range(9))), StubMember("bob", RuntimeError("down"))
    run, books = state()
    answer = await given(GroupChat("team", [ann, bob], rounds=9), "Go.", state=run)
    assert (answer.text, ann.calls, bob.calls) == ("a2", 3, 2)
    assert books.of(Decided)[-1].reason == "nobody else can speak"


class Moderates(StubMember):
    """A moderator of the user's own that goes wrong."""

    async def run(self, message: Message, run: Run) -> Message:
        if self.answer == "cancels":
            raise asyncio.CancelledError
        nobody = Speaker(speaker="zoe", reason="so")
        return run.answer(message, nobody.said(), data=nobody)


@pytest.mark.parametrize("wrong", ["cancels", "names nobody there"])
async def test_where_the_moderator_goes_wrong_the_chat_goes_on_by_rule(wrong: str) -> None:
    run, books = state()
    team = GroupChat("team", [Says("ann", "a1"), Says("bob", "b1")], Moderates("chair", wrong), rounds=2)
    team = replace(team, synthesizer=StubMember("end", "in sum"))
    assert (await given(team, "Well?", state=run)).text == "in sum"
    assert speakers(books) == ["team/chair", "team/ann", "team/chair.2", "team/bob", "team/end"]
    assert any("chair could not say who is next" in notice for notice in run.notices)


@pytest.mark.parametrize(("chair", "most"), [(None, 9), (StubMember("chair"), 8)])
def test_the_rounds_are_shared_by_all(chair: StubMember | None, most: int) -> None:
    team = GroupChat("team", [StubMember("ann"), StubMember("bob")], chair, rounds=8)
    assert {part.among for part in team.parts if part.role == "member"} == {most}
