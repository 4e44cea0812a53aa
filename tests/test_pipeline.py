"""A pipeline's stages see what they are meant to see, and no bad answer is passed on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_models import Says, fake_models
from support import Books, given

from guildhall.agents import Agent, Hall, Message, Pipeline, Run
from guildhall.agents.event import Decided, Finished, Started
from guildhall.agents.patterns.checks import Acceptance
from guildhall.agents.specs import read_team
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, FileError, UserError

YES = '{"accepted": true, "reason": ""}'
NO = '{"accepted": false, "reason": "It names no date."}'


def stages(*names: str) -> list[StubMember]:
    return [StubMember(name, f"{name} said") for name in names]


def checked(*reviews: str, drafts: int = 2) -> tuple[Pipeline, ScriptedModel, ScriptedModel, StubMember]:
    """A writer whose draft a critic accepts or not, and one who works on from it."""
    writer, critic = ScriptedModel(*(f"draft {n + 1}" for n in range(drafts))), ScriptedModel(*reviews)
    acceptance = Acceptance(Agent("critic", "Check.", [critic]), "It names a date.")
    last = StubMember("editor", "edited")
    team = Pipeline("line", [Agent("writer", "Write.", [writer]), last], checks={"writer": acceptance})
    return team, writer, critic, last


# -- what a stage sees


async def test_a_stage_sees_the_earlier_stages_that_it_names_and_no_others() -> None:
    members = stages("facts", "draft", "check", "edit")
    team = Pipeline("line", members, sees={"check": ["facts"], "edit": ["check", "draft"]})
    await given(team, "Write it.")
    seen = [[quote.label for quote in member.messages[0].quotes] for member in members]
    assert seen == [[], ["facts"], ["facts"], ["draft", "check"]]
    assert {member.messages[0].text for member in members} == {"Write it."}


async def test_a_stage_that_is_to_see_nobody_sees_the_task_alone() -> None:
    members = stages("draft", "second-opinion")
    await given(Pipeline("line", members, sees={"second-opinion": []}), "Write it.")
    assert members[1].messages[0].quotes == ()


@pytest.mark.parametrize("bad", [0, 1, 2])
async def test_whichever_stage_fails_none_behind_it_is_begun(bad: int) -> None:
    members = stages("one", "two", "three")
    members[bad] = StubMember(members[bad].name, Failure("tired"))
    with pytest.raises(Failure, match="tired"):
        await given(Pipeline("line", members), "Go.")
    assert [member.calls for member in members] == [1] * (bad + 1) + [0] * (2 - bad)


# -- checks between stages


async def test_an_accepted_answer_is_passed_on() -> None:
    team, writer, critic, last = checked(YES, drafts=1)
    answer = await given(team, "Write it.")
    assert answer.text == "edited"
    assert [quote.text for quote in last.messages[0].quotes] == ["draft 1"]
    writer.done()
    critic.done()


async def test_a_bad_answer_goes_back_once_with_the_reason_and_is_never_passed_on() -> None:
    team, writer, critic, last = checked(NO, YES)
    books = Books()
    await given(team, "Write it.", state=RunState("r" * 32, sinks=[books]))
    assert [quote.text for quote in last.messages[0].quotes] == ["draft 2"]
    again = writer.requests[1].turns[1]
    assert again.text == "Write it."
    assert [(quote.label, quote.text) for quote in again.quotes] == [
        ("writer", "draft 1"), ("objection", "It names no date."),
    ]  # fmt: skip
    assert "It is accepted if: It names a date." in critic.requests[0].turns[1].prompt()
    assert critic.requests[1].turns[1].quotes[-1].text == "draft 2"
    verdicts = [(one.choice, one.reason) for one in books.of(Decided) if one.what == "check"]
    assert verdicts == [("not passed", "It names no date."), ("passed", "acceptance: nothing is wrong")]
    assert [one.path for one in books.of(Started)] == [
        "line", "line/writer", "line/critic", "line/writer.2", "line/critic.2", "line/editor",
    ]  # fmt: skip


async def test_what_is_bad_twice_fails_the_team_and_nobody_works_on_from_it() -> None:
    team, writer, _, last = checked(NO, NO)
    with pytest.raises(Failure, match="the answer of writer was not accepted twice: It names no date") as bad:
        await given(team, "Write it.")
    assert bad.value.kind == "check"
    assert (len(writer.requests), last.calls) == (2, 0)


async def test_an_answer_that_nobody_could_check_is_kept_and_that_is_said() -> None:
    team, _, _, last = checked("fine", "fine!", "fine!!")
    state, books = RunState("r" * 32), Books()
    state.sinks = [books]
    await given(team, "Write it.", state=state)
    assert last.calls == 1
    assert any("was not checked (acceptance): critic gave no valid Review" in one for one in state.notices)
    assert [one.choice for one in books.of(Decided) if one.what == "check"] == ["not made"]


async def test_a_check_can_be_any_function_and_the_last_answer_is_checked_as_well() -> None:
    async def has_date(message: Message, answer: Message, run: Run) -> str:
        return "" if "May" in answer.text else "no date"

    books = Books()
    team = Pipeline("line", stages("draft", "edit"), checks={"edit": has_date})
    with pytest.raises(Failure, match="the answer of edit was not accepted twice: no date"):
        await given(team, "Write it.", state=RunState("r" * 32, sinks=[books]))
    assert [one.data["check"] for one in books.of(Decided)] == ["has_date", "has_date"]
    assert [one.outcome for one in books.of(Finished)] == ["answered"] * 3 + ["failed"]


def test_who_checks_takes_part_and_a_stage_that_is_checked_may_work_twice() -> None:
    team, *_ = checked(YES)
    parts = [(part.member.name, part.role, part.times) for part in team.parts]
    assert parts == [("writer", "member", 2), ("editor", "member", 1), ("critic", "checker", 2)]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Pipeline("line", stages("a", "b"), sees={"c": ["a"]}), "has no stage 'c'; there are: a, b"),
        (lambda: Pipeline("line", stages("a", "b"), sees={"a": ["b"]}), "a cannot see b; the stages before"),
        (lambda: Pipeline("line", stages("a", "b"), sees={"b": ["b"]}), "b cannot see b"),
        (lambda: Pipeline("line", stages("a"), checks={"b": Acceptance(StubMember("c"), "")}), "no stage"),
        (lambda: Pipeline("line", stages("a", "a"), sees={"a": []}), "several members called a"),
    ],
)  # fmt: skip
def test_stages_that_do_not_fit_together_are_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()


# -- from a team's file


HEAD = "---\nname: line\ndescription: d\npattern: pipeline\nmembers: [researcher, writer, editor]\n{}\n---\n"
KEYS = """sees:
  editor: [writer]
accept:
  writer: It names a date.
"""


def team_file(project: Path, keys: str) -> None:
    path = project / ".guildhall" / "teams" / "line.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD.format(keys))


async def test_a_team_file_says_who_sees_what_and_what_is_accepted(project: Path, home: Path) -> None:
    team_file(project, KEYS)
    async with Hall.open() as hall:
        built, spec = await hall.team("line")
    team = built.member
    assert isinstance(team, Pipeline)
    assert dict(team.sees) == {"editor": ("writer",)}
    check = team.checks["writer"]
    assert isinstance(check, Acceptance)
    assert (check.checker.name, check.criteria) == ("critic", "It names a date.")
    assert spec.everyone == ("researcher", "writer", "editor", "critic")


async def test_a_team_from_a_file_sends_a_bad_answer_back(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    team_file(project, KEYS)
    reviews = iter((NO, YES))

    def says(body: dict[str, Any], api: str) -> Says:
        return Says(next(reviews) if "It is accepted if: It names a date." in str(body) else "In May.")

    books = Books()
    with fake_models(says) as server:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{server.url}/v1")
        async with Hall.open() as hall:
            result = await hall.run_team("line", "When?", sinks=[books], cache="off")
    assert (result.status, result.answer) == ("done", "In May.")
    assert [one.path for one in books.of(Started)][2:] == [
        "line/writer", "line/critic", "line/writer.2", "line/critic.2", "line/editor",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            "sees: {critic: [writer]}",
            ":6: sees: 'critic' is no member; allowed are researcher, writer, editor",
        ),
        ("sees: {writer: [editor]}", ":6: sees: writer cannot see 'editor'; before it come: researcher"),
        (
            "sees: {researcher: [researcher]}",
            ":6: sees: researcher cannot see 'researcher'; before it come: no",
        ),
        ("sees: [writer]", ":6: sees: write keys with their values"),
        ("accept: {wirter: x}", ":6: accept: 'wirter' is no member; did you mean writer?"),
        ("accept: {writer: ''}", ":6: accept.writer: it is empty; write at least a word"),
        ("accept: x", ":6: accept: write keys with their values"),
        ("checker: Bob", ":6: checker: a name has 1 to 64"),
        ("judge: critic", ":6: "),
    ],
)
def test_a_file_that_says_it_wrongly_is_refused_with_its_line(keys: str, said: str) -> None:
    with pytest.raises(FileError) as refused:
        read_team(HEAD.format(keys).encode())
    assert said in str(refused.value)
