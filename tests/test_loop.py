"""An answer is made better until it is good enough; the best version wins, not the last."""

import json
from pathlib import Path
from typing import Any

import pytest
from cutting import Stuck, cut_short
from support import Books, given

from guildhall.agents import Agent, Budget, Hall, Message, Run
from guildhall.agents.budget import Meter
from guildhall.agents.event import Decided
from guildhall.agents.kinds import Choice, Wanted
from guildhall.agents.patterns import Loop, Pipeline
from guildhall.agents.rules import Ruled, Rules
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, UserError


class Saying(StubMember):
    """Gives its answers in order; an error is raised."""

    def __init__(self, name: str, *said: str | Exception) -> None:
        super().__init__(name)
        self.said = said

    async def run(self, message: Message, run: Run) -> Message:
        self.answer = self.said[self.calls]
        return await super().run(message, run)


def score(value: float, reason: str = "too short") -> str:
    return json.dumps({"score": value, "reason": reason})


async def held(team: Loop, **more: Any) -> tuple[Message, Books, RunState]:
    books = Books()
    state = RunState("r" * 32, Meter(more.pop("budget", Budget())), sinks=[books])
    return await given(team, "Write it.", state=state), books, state


def decided(books: Books, what: str) -> list[Decided]:
    return [event for event in books.of(Decided) if event.what == what]


async def test_it_ends_once_the_bar_is_reached_and_every_score_is_told() -> None:
    author = Saying("author", "one", "two", "three")
    critic = Saying("critic", score(0.4, "no dates"), score(0.9, "good"))
    answer, books, state = await held(Loop("team", [author], critic))
    assert answer.text == "two"
    assert [(event.choice, event.reason) for event in decided(books, "score")] == [
        ("0.40", "no dates"), ("0.90", "good"),
    ]  # fmt: skip
    [gate] = decided(books, "gate")
    assert (gate.choice, gate.reason) == ("version 2 of 2", "0.90 reaches the bar of 0.80")
    assert state.notices == []
    again = author.messages[1]
    assert again.text == "Write it."
    assert [(quote.label, quote.text) for quote in again.quotes] == [
        ("your last version", "one"), ("what the critic says of it", "0.40: no dates"),
    ]  # fmt: skip
    assert [quote.label for quote in critic.messages[0].quotes] == ["the answer"]


async def test_the_best_version_wins_and_is_shown_again_where_the_last_was_worse() -> None:
    author = Saying("author", "one", "two", "three")
    critic = Saying("critic", score(0.6), score(0.2), score(0.5))
    answer, books, state = await held(Loop("team", [author], critic))
    assert answer.text == "one"
    assert decided(books, "gate")[0].reason == "all 3 rounds are over"
    assert decided(books, "gate")[0].data["scores"] == [0.6, 0.2, 0.5]
    assert [quote.text for quote in author.messages[2].quotes][:2] == ["one", "two"]
    assert "no version reached the bar of 0.80, the best has 0.60" in state.notices[0]


async def test_of_versions_with_the_same_score_the_first_is_taken() -> None:
    author, critic = Saying("author", "one", "two"), Saying("critic", score(0.5), score(0.5))
    answer, books, _ = await held(Loop("team", [author], critic, rounds=2))
    assert answer.text == "one"
    assert decided(books, "gate")[0].choice == "version 1 of 2"


async def test_who_just_reaches_the_bar_has_reached_it() -> None:
    author, critic = Saying("author", "one", "two"), Saying("critic", score(0.8), score(0.9))
    answer, _, state = await held(Loop("team", [author], critic, bar=0.8))
    assert (answer.text, author.calls, state.notices) == ("one", 1, [])


@pytest.mark.parametrize("said", [Failure("asleep"), "fine", score(7)])
async def test_a_critic_that_fails_keeps_the_version(said: str | Exception) -> None:
    author = Saying("author", "one", "two")
    answer, books, state = await held(Loop("team", [author], Saying("critic", said)))
    assert (answer.text, author.calls) == ("one", 1)
    assert decided(books, "score")[0].choice == "none"
    assert "none was scored: critic gave no score" in state.notices[0]
    answer, _, _ = await held(Loop("team", [Saying("a", "one", "two")], Saying("c", score(0.3), said)))
    assert answer.text == "one"  # which was scored


async def test_an_author_that_fails_later_leaves_its_best_version_and_at_first_fails_the_team() -> None:
    author = Saying("author", "one", Failure("tired"))
    answer, books, _ = await held(Loop("team", [author], StubMember("critic", score(0.5))))
    assert answer.text == "one"
    assert decided(books, "gate")[0].reason == "the next version failed: tired"
    with pytest.raises(Failure, match="ill"):
        await held(Loop("team", [Saying("author", Failure("ill"))], StubMember("critic")))


async def test_a_version_that_says_the_same_again_ends_it_without_another_score() -> None:
    critic = StubMember("critic", score(0.5))
    answer, _, state = await held(Loop("team", [StubMember("author", "one")], critic, rounds=9))
    assert (answer.text, critic.calls) == ("one", 1)
    assert "the next version says the same again" in state.notices[0]


async def test_several_members_make_each_version_together() -> None:
    draft, edit = Saying("draft", "raw", "raw 2"), Saying("edit", "fine", "finer")
    answer, _, _ = await held(Loop("team", [draft, edit], Saying("critic", score(0.5), score(0.8))))
    assert answer.text == "finer"
    assert [quote.text for quote in edit.messages[1].quotes] == ["fine", "0.50: too short", "raw 2"]


async def test_a_score_that_cannot_be_read_goes_back_to_the_critic_s_model() -> None:
    model = ScriptedModel(score(80), score(0.8))
    answer, _, _ = await held(Loop("team", [StubMember("author", "one")], Agent("critic", "Score.", [model])))
    assert answer.text == "one"
    assert "less than or equal to 1" in model.requests[1].turns[-1].text
    model.done()


async def test_what_is_paid_for_is_kept_where_the_budget_ends_in_the_middle() -> None:
    model = ScriptedModel("one", score(0.4), "two")
    team = Loop("team", [Agent("author", "Write.", [model])], Agent("critic", "Score.", [model]))
    answer, books, state = await held(team, budget=Budget(calls=3))
    assert answer.text == "one"  # of the second nobody knows how good it is
    assert books.balanced
    assert state.meter.held.calls == 0
    assert "no version reached the bar" in state.notices[0]


async def test_a_loop_that_is_asked_for_a_typed_answer_gives_the_best_version_s() -> None:
    said = [json.dumps({"choice": choice, "reason": "so"}) for choice in ("buy", "rent")]
    run = Run(RunState("r" * 32))
    team = Loop("team", [Saying("author", *said)], Saying("critic", score(0.2), score(0.9)))
    answer = await run.give(team, Message(text="Which?"), wanted=Wanted(Choice, ("buy", "rent")))
    assert answer.data == Choice(choice="rent", reason="so")


async def test_a_loop_that_was_cut_off_goes_on_without_paying_twice(home: Path) -> None:
    script = ["one", score(0.4), "two", score(0.5), "three", score(0.3)]

    def team(model: ScriptedModel) -> Loop:
        return Loop("team", [Agent("author", "Write.", [model])], Agent("critic", "Score.", [model]))

    async with Hall.open() as hall:
        for cut in range(1, 6):
            stuck, run_id = Stuck(*script[:cut]), f"{cut}" * 32
            await cut_short(hall, team(stuck), stuck, home, run_id)
            rest = ScriptedModel(*script[cut:])
            result = await hall.resume(run_id, team=team(rest))
            assert result.answer == "two"
            rest.done()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bar": 2}, "bar is 2; give a number from 0 to 1"),
        ({"rounds": 21}, "rounds is 21"),
        ({"members": []}, "no members"),
    ],
)
def test_a_loop_that_cannot_work_is_refused_at_once(change: dict[str, Any], words: str) -> None:
    options: dict[str, Any] = {
        "name": "team",
        "members": [StubMember("a")],
        "critic": StubMember("c"),
    } | change
    with pytest.raises(UserError, match=words):
        Loop(**options)


async def test_what_several_members_hand_on_within_a_version_keeps_to_the_rules_of_the_loop() -> None:
    long = "\n\n".join(f"Paragraph {number} has the figure {number**2}." for number in range(200))
    members = [StubMember("ann", long), StubMember("bob", "short")]
    team = Loop("team", members, StubMember("critic", score(1.0)))
    await given(Ruled(team, Rules(tokens=300)), "Write it.")
    [shown] = members[1].messages[0].quotes
    assert len(shown.text) < len(long) / 4


async def test_a_member_of_a_loop_that_is_a_team_keeps_its_own_rules() -> None:
    long = "\n\n".join(f"Paragraph {number} has the figure {number**2}." for number in range(200))
    last = StubMember("bob", "short")
    inner = Pipeline("line", [StubMember("ann", long), last])
    team = Loop("team", [inner], StubMember("critic", score(1.0)))
    await given(Ruled(team, Rules(tokens=300)), "Write it.")
    [shown] = last.messages[0].quotes
    assert shown.text == long
