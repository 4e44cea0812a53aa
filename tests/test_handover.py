"""What is handed over keeps to its tokens, the most important first, and says what was left out."""

from pathlib import Path

import pytest
from support import Books, given

from guildhall.agents import Agent, Hall, Message, Parallel, Quote
from guildhall.agents.event import Decided
from guildhall.agents.handover import shortened
from guildhall.agents.kinds import Claim, Contribution
from guildhall.agents.patterns import Pipeline
from guildhall.agents.rules import Ruled, Rules
from guildhall.agents.state import RunState
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.agents.tokens import estimate
from guildhall.errors import FileError, ProviderError

TALK = "There is a lot of talk about this and that, and none of it is to the point. " * 9
ANSWER = f"""\
# The answer

It begins with the point.

{TALK}

It costs 40 EUR a month.

{TALK}

It rests on [a.md:3].

{TALK}

It ends so."""
TYPED = Contribution(
    answer="Thirty days.",
    reasons=("the contract says so", "the law says so"),
    sources=("contract.md:12",),
    open_points=("whether it was signed",),
    confidence=0.8,
    claims=(Claim(about="notice period", says="30 days"),),
)


def handed(quotes: tuple[Quote, ...]) -> dict[str, str]:
    return {quote.label: quote.text for quote in quotes}


async def test_without_a_limit_all_is_handed_over_as_it_is() -> None:
    chair, books = StubMember("chair"), Books()
    team = Parallel("team", [StubMember("ann", ANSWER * 20)], chair)
    await given(team, "Well?", state=RunState("r" * 32, sinks=[books]))
    assert handed(chair.messages[0].quotes) == {"ann": ANSWER * 20}
    assert books.of(Decided) == []


async def test_the_least_important_paragraphs_are_left_out_and_named_in_the_quote_and_in_an_event() -> None:
    chair, books = StubMember("chair"), Books()
    team = Parallel("team", [StubMember("ann", ANSWER), StubMember("bob", "Yes.")], chair)
    await given(Ruled(team, Rules(tokens=240)), "Well?", state=RunState("r" * 32, sinks=[books]))
    quotes = handed(chair.messages[0].quotes)
    assert quotes["bob"] == "Yes."
    assert estimate(quotes["ann"]) + estimate(quotes["bob"]) <= 240
    paragraphs = quotes["ann"].split("\n\n")
    assert paragraphs[:-1] == [
        "# The answer",
        "It begins with the point.",
        "It costs 40 EUR a month.",
        "It rests on [a.md:3].",
        "It ends so.",
    ]
    assert paragraphs[-1].startswith("[left out: 3 paragraphs, about ")
    assert 'beginning "There is a lot of talk' in paragraphs[-1]
    [decided] = books.of(Decided)
    assert (decided.what, decided.choice) == ("handover", "ann")
    assert len(decided.data[0]["left_out"]) == 3


async def test_each_stage_of_a_pipeline_is_handed_no_more_than_the_limit() -> None:
    stages = [StubMember(name, ANSWER * 3) for name in ("draft", "check", "edit")]
    await given(Ruled(Pipeline("line", stages), Rules(tokens=500)), "Write it.")
    for stage in stages[1:]:
        assert sum(estimate(quote.text) for quote in stage.messages[0].quotes) <= 500


@pytest.mark.parametrize("tokens", [60, 100, 150, 200, 300, 500, 800])
def test_an_answer_keeps_to_its_tokens_and_what_is_gone_is_counted(tokens: int) -> None:
    [one] = shortened([Message(text=ANSWER * 4)], tokens)
    assert estimate(one.answer.text) <= tokens
    assert "[left out: " in one.answer.text
    assert one.tokens > 0


def test_of_one_endless_paragraph_the_beginning_is_kept() -> None:
    [one] = shortened([Message(text=TALK * 20)], 300)
    assert one.answer.text.startswith("There is a lot of talk")
    assert 200 < estimate(one.answer.text) <= 300


def test_of_a_contribution_the_claims_stay_before_the_reasons_and_these_before_what_is_open() -> None:
    answer = Message(text=TYPED.said(), data=TYPED)
    many = TYPED.model_copy(update={"open_points": tuple(f"{TALK}{n}" for n in range(9))})
    whole = Message(text=many.said(), data=many)
    assert shortened([answer], 1_000)[0].answer.text == TYPED.said()
    [one] = shortened([whole], 200)
    assert one.answer.text.split("\n\n")[:-1] == [
        "Thirty days.",
        "Rests on [contract.md:12]",
        "Confidence: 0.80",
        "Claim on notice period: 30 days",
        "Reason: the contract says so",
        "Reason: the law says so",
    ]
    assert len(one.left_out) == 9


def test_what_one_answer_does_not_need_goes_to_the_others() -> None:
    answers = [Message(text="Yes."), Message(text=ANSWER * 4), Message(text="No.")]
    first, long, last = shortened(answers, 600)
    assert (first.left_out, last.left_out) == ((), ())
    assert 400 < estimate(long.answer.text) <= 600


async def test_members_are_asked_for_contributions_where_the_team_wants_them() -> None:
    model, chair = ScriptedModel(TYPED.model_dump_json()), StubMember("chair")
    await given(
        Ruled(Parallel("team", [Agent("ann", "Answer.", [model])], chair), Rules(typed=True)), "Well?"
    )
    assert (model.requests[0].output or {})["title"] == "Contribution"
    assert handed(chair.messages[0].quotes) == {"ann": TYPED.said()}


@pytest.mark.parametrize(
    "steps",
    [[ProviderError("unsupported", "it takes no schema")], ["no", "JSON", "at all"]],
    ids=["cannot", "does not"],
)
async def test_a_member_that_gives_no_contribution_is_asked_for_a_text(steps: list[str | Exception]) -> None:
    model, state = ScriptedModel(*steps, "Thirty days."), RunState("r" * 32)
    answer = await given(
        Ruled(Parallel("team", [Agent("ann", "Answer.", [model])]), Rules(typed=True)), "Well?", state=state
    )
    assert "Thirty days." in answer.text
    assert model.requests[-1].output is None
    assert state.notices[0].startswith("ann gave no Contribution and was asked for a text")
    model.done()


async def test_a_member_that_fails_for_another_reason_is_not_asked_again() -> None:
    model = ScriptedModel(ProviderError("auth", "no key"))
    team = Parallel("team", [Agent("ann", "Answer.", [model]), StubMember("bob", "Yes.")])
    answer = await given(Ruled(team, Rules(typed=True)), "Well?")
    assert answer.text == "## bob\n\nYes."
    model.done()


async def test_rules_hold_in_their_own_team_and_not_in_those_within() -> None:
    inner_chair, outer_chair = StubMember("inner chair", ANSWER * 4), StubMember("outer chair")
    inner = Parallel("inner", [StubMember("ann", ANSWER * 4)], inner_chair)
    await given(Ruled(Parallel("outer", [inner], outer_chair), Rules(tokens=300)), "Well?")
    assert "left out" not in inner_chair.messages[0].quotes[0].text
    assert "left out" in outer_chair.messages[0].quotes[0].text


def team_file(project: Path, handover: str) -> None:
    for folder in ("specialists", "teams"):
        (project / ".guildhall" / folder).mkdir()
    (project / ".guildhall" / "teams" / "duo.md").write_text(
        "---\nname: duo\ndescription: d\nmembers: [analyst, critic]\nsynthesizer: synthesizer\n"
        f"handover: {handover}\n---\n"
    )


async def test_a_team_file_says_how_much_is_handed_over(project: Path) -> None:
    team_file(project, "{tokens: 200}")
    facts = " ".join(f"The pump number {n} weighs {n + 10} kg and stands in hall {n % 7}." for n in range(60))
    books = Books()
    async with Hall.open() as hall:
        result = await hall.run_team("duo", "What do the pumps weigh?", context=facts, sinks=[books])
    assert result.status == "done"
    assert [decided.what for decided in books.of(Decided)].count("handover") == 1


@pytest.mark.parametrize(
    ("handover", "words"),
    [
        ("{tokens: 5}", "handover.tokens: input should be greater than or equal to 200"),
        ("{words: 5}", "there is no key 'words'"),
    ],
)
async def test_a_hand_over_that_cannot_be_is_refused_with_its_line(
    project: Path, handover: str, words: str
) -> None:
    team_file(project, handover)
    async with Hall.open() as hall:
        with pytest.raises(FileError, match=words) as refused:
            await hall.run_team("duo", "Well?")
    assert refused.value.line == 6


@pytest.mark.parametrize("tokens", [40, 60, 100, 149, 150])
def test_of_an_answer_with_few_tokens_at_least_its_beginning_is_handed_over(tokens: int) -> None:
    text = "\n\n".join(f"The value of item {n} is {n * 7}, says [doc:{n}]." for n in range(12))
    [one] = shortened([Message(text=text)], tokens)
    assert one.answer.text.startswith("The value of item 0 is 0")
    assert estimate(one.answer.text) <= tokens
    assert "[left out: " in one.answer.text


def test_with_more_tokens_no_less_of_an_answer_is_handed_over() -> None:
    text = "\n\n".join(f"The value of item {n} is {n * 7}, says [doc:{n}], which matters." for n in range(12))
    kept = [
        len(one.answer.text.partition("[left out")[0])
        for tokens in range(40, 400)
        for one in shortened([Message(text=text)], tokens)
    ]
    assert kept == sorted(kept)
    assert kept[0] < 100 < len(text) == kept[-1]


async def test_of_a_very_long_answer_the_event_names_the_first_that_is_left_out_and_counts_all() -> None:
    text, books = "\n\n".join(f"Item {n} weighs {n * 7} kg." for n in range(2_000)), Books()
    team = Ruled(Parallel("team", [StubMember("ann", text)], StubMember("chair")), Rules(tokens=500))
    await given(team, "Well?", state=RunState("r" * 32, sinks=[books]))
    [decided] = books.of(Decided)
    [told] = decided.data
    assert 1_900 < told["paragraphs"] < 2_000
    assert len(told["left_out"]) == 100
    assert 10_000 < told["tokens"] < 50_000


async def test_members_who_share_few_tokens_all_keep_their_first_sentence() -> None:
    chair = StubMember("chair")
    more = "\n\n".join(f"The value of item {n} is {n * 7}, which matters a lot here." for n in range(12))
    members = [StubMember(name, f"{name} is for it. So it is.\n\n{more}") for name in "abcde"]
    await given(Ruled(Parallel("team", members, chair), Rules(tokens=600)), "Well?")
    quotes = handed(chair.messages[0].quotes)
    assert [quotes[name].startswith(f"{name} is for it.") for name in "abcde"] == [True] * 5
    assert sum(map(estimate, quotes.values())) <= 600
