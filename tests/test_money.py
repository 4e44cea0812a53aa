"""What a call may cost is reserved, what it did cost is settled, and a short budget is made the best of."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels, Fault, Says, fake_models
from fake_replies import Call
from support import Books

from guildhall import Budget, Hall
from guildhall.agents import Agent, Parallel, tool
from guildhall.agents.commission import limits_of
from guildhall.agents.event import Decided, Lost, Replied
from guildhall.agents.message import ModelReply, ModelRequest
from guildhall.agents.models.base import OnText
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.testing import ScriptedModel
from guildhall.errors import ProviderError, UserError

TASK = "Which of the two offers is the better one?"
PRICES = """
[model."openai-compatible:dear"]
price = { input = 10.0, output = 100.0 }
[model."openai-compatible:cheap"]
price = { input = 0.1, output = 1.0 }
"""


@pytest.fixture
def priced(home: Path, project: Path) -> Path:
    home.mkdir()
    (home / "config.toml").write_text(PRICES)
    return home


def asking(server: FakeModels, *names: str) -> list[OpenAICompatibleModel]:
    return [OpenAICompatibleModel(name, base_url=f"{server.url}/v1", api_key="none") for name in names]


def member(name: str, models: list[OpenAICompatibleModel]) -> Agent:
    return Agent(name, f"You are the {name}.", models, max_output=1000, memory=False)


async def test_when_it_gets_short_a_cheaper_model_of_the_team_is_asked(priced: Path) -> None:
    with fake_models(lambda body, api: body["model"]) as server:
        dear, cheap = asking(server, "dear", "cheap")
        team = Parallel("pair", [member("first", [dear]), member("second", [cheap])])
        async with Hall.open() as hall:  # the dear one may cost more than .1 a call
            result = await hall.run_team(team, TASK, budget=Budget(usd=0.05))
    assert [said.text for said in result.contributions] == ["cheap", "cheap"]
    books = Books()
    with fake_models(lambda body, api: body["model"]) as server:
        async with Hall.open() as hall:
            both = member("only", asking(server, "dear", "cheap"))
            result = await hall.run_team(both, TASK, budget=Budget(usd=0.05), sinks=[books])
    assert result.answer == "cheap"
    choice = next(event for event in books.of(Decided) if event.what == "budget")
    assert choice.choice == "openai-compatible:cheap"
    assert "no room for another call" in choice.reason


async def test_then_an_earlier_reply_to_the_same_request_is_used(priced: Path) -> None:
    books = Books()
    with fake_models(lambda body, api: body["model"]) as server:
        async with Hall.open() as hall:
            before = await hall.run_team(member("only", asking(server, "cheap")), TASK)
            after = await hall.run_team(
                member("only", asking(server, "dear")), TASK, budget=Budget(usd=0.05), sinks=[books]
            )
    assert (before.answer, after.answer) == ("cheap", "cheap")
    assert "an earlier reply" in [event.choice for event in books.of(Decided)]
    assert after.usage.calls == 0


async def test_then_that_one_member_is_refused(priced: Path) -> None:
    with fake_models() as server:
        async with Hall.open() as hall:
            result = await hall.run_team(
                member("only", asking(server, "dear")), TASK, budget=Budget(usd=0.05)
            )
        assert server.requests == []
    assert result.status == "failed"
    assert "may take $0.1" in result.error


async def test_the_default_budget_is_named_where_it_bites(priced: Path) -> None:
    with (priced / "config.toml").open("a") as config:
        config.write("[budget]\nusd = 0.05\n")
    with fake_models() as server:
        async with Hall.open() as hall:
            result = await hall.run_team(member("only", asking(server, "dear")), TASK)
            larger = await hall.run_team(member("only", asking(server, "dear")), TASK, budget=Budget(usd=5))
    assert result.status == "failed"
    assert any("the default budget of $0.05 a run" in notice for notice in result.notices)
    assert "--budget-usd" in result.error
    assert larger.status == "done"


async def test_the_default_budget_refuses_no_model_of_unknown_price(project: Path) -> None:
    with fake_models() as server:
        async with Hall.open(environ={"GUILDHALL_BASE_URL": f"{server.url}/v1"}) as hall:
            result = await hall.ask("critic", TASK)
            with pytest.raises(UserError, match=r'\[model."openai-compatible:fake"\] price = '):
                await hall.ask("critic", TASK, budget=Budget(usd=1))
    assert result.status == "done"
    assert (result.usage.cost_usd, result.usage.unpriced_calls) == (None, 1)


async def test_no_usd_limit_where_the_configuration_says_zero(priced: Path) -> None:
    with (priced / "config.toml").open("a") as config:
        config.write("[budget]\nusd = 0\n")
    with fake_models() as server:
        async with Hall.open() as hall:
            dear = Agent("only", "You are.", asking(server, "dear"), max_output=100_000)
            assert (await hall.run_team(dear, TASK)).status == "done"


async def test_what_a_lost_call_cost_is_what_the_provider_counted(priced: Path) -> None:
    """A reply that was refused was paid for, and its usage is known."""
    books = Books()
    with fake_models(lambda body, api: Says("No.", stop="refused")) as server:
        async with Hall.open() as hall:
            await hall.run_team(member("only", asking(server, "cheap")), TASK, sinks=[books])
    lost = books.of(Lost)[0]
    assert (lost.error, lost.spent.output > 0) == ("refused", True)
    assert lost.spent.input < 400  # its own count, not the bytes


async def test_a_reply_cut_at_its_limit_is_gone_on_with(project: Path) -> None:
    books = Books()
    parts = iter([Says("The first is cheaper, ", stop="max_tokens"), Says("and the second is better.")])
    with fake_models(lambda body, api: next(parts)) as server:
        async with Hall.open() as hall:
            result = await hall.run_team(member("only", asking(server, "fake")), TASK, sinks=[books])
        assert "Go on exactly where it stopped" in str(server.requests[1].body)
    assert result.answer == "The first is cheaper, and the second is better."
    assert (len(books.of(Lost)), len(books.of(Replied))) == (1, 1)


async def test_a_call_of_a_tool_that_is_not_there_goes_back_to_the_model(project: Path) -> None:
    @tool
    def add(a: int, b: int) -> int:
        """The sum."""
        return a + b

    model = ScriptedModel(ProviderError("bad_tool_call", "it called subtract"), "five")
    async with Hall.open() as hall:
        result = await hall.run_team(Agent("only", "Count.", [model], tools=[add]), TASK)
    assert result.answer == "five"
    assert "The tools are: add" in model.requests[1].turns[-1].text


async def test_usage_that_is_missing_keeps_the_reservation(priced: Path) -> None:
    with fake_models(lambda body, api: Says("one", usage=None)) as server:
        async with Hall.open() as hall:
            result = await hall.run_team(member("only", asking(server, "cheap")), TASK)
    assert result.usage.output_tokens == 1000


@pytest.mark.parametrize(
    "limits",
    [{"usd": -1}, {"usd": float("nan")}, {"calls": 0}, {"tokens": 1.5}, {"depth": 0}, {"seconds": True}],
)
def test_a_budget_that_is_none_is_refused_in_plain_words(limits: dict[str, float]) -> None:
    with pytest.raises(UserError, match="the budget of"):
        Budget(**limits)  # type: ignore[arg-type]  # of the parametrisation


async def test_what_a_run_would_do_and_cost_is_told_without_a_call(priced: Path) -> None:
    with fake_models() as server:
        async with Hall.open(environ={"GUILDHALL_BASE_URL": f"{server.url}/v1"}) as hall:
            plan = await hall.estimate("research", TASK, model="openai-compatible:cheap")
        assert [request for request in server.requests if request.api] == []
    assert [member.name for member in plan.members] == ["researcher", "analyst", "critic", "synthesizer"]
    assert {member.model for member in plan.members} == {"openai-compatible:cheap"}
    assert plan.usd == pytest.approx(min(1.0, sum(member.usd or 0 for member in plan.members)))
    assert all(member.tokens > 8192 for member in plan.members)


async def test_the_estimate_of_a_model_of_unknown_price_says_so(project: Path) -> None:
    with fake_models() as server:
        async with Hall.open(environ={"GUILDHALL_BASE_URL": f"{server.url}/v1"}) as hall:
            plan = await hall.estimate("critic", TASK, kind="ask")
    assert (plan.usd, plan.members[0].usd) == (None, None)


async def test_a_provider_that_turns_a_call_away_costs_nothing(priced: Path) -> None:
    with fake_models(lambda body, api: Fault("400")) as server:
        async with Hall.open() as hall:
            result = await hall.run_team(member("only", asking(server, "cheap")), TASK)
    assert (result.usage.input_tokens, result.usage.cost_usd) == (0, 0)


async def test_of_several_cheaper_models_each_has_its_turn_before_a_member_is_refused(priced: Path) -> None:
    with (priced / "config.toml").open("a") as config:
        config.write('[model."openai-compatible:mid"]\nprice = { input = 1.0, output = 10.0 }\n')
    usage = {"prompt_tokens": 10, "completion_tokens": 1000, "total_tokens": 1010}
    with fake_models(lambda body, api: Says(body["model"], usage=usage), latency=0.05) as server:
        models = asking(server, "dear", "mid", "cheap")
        team = Parallel("many", [member(f"m{number}", models) for number in range(6)])
        async with Hall.open() as hall:  # two calls of mid fit, and then only cheap ones
            result = await hall.run_team(team, TASK, budget=Budget(usd=0.025))
    assert [said.status for said in result.contributions] == ["answered"] * 6
    assert {said.text for said in result.contributions} == {"mid", "cheap"}
    assert (result.usage.cost_usd or 1.0) <= 0.025


async def test_attempts_are_counted_on_when_a_cheaper_model_is_asked(priced: Path) -> None:
    """Or nobody would take back what the lost attempt had shown."""
    shown: list[tuple[int, str]] = []
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    with fake_models(lambda body, api: Says("alpha beta gamma delta", usage=usage)) as server:
        dear, cheap = asking(server, "dear/cut:3,ok", "cheap")
        with (priced / "config.toml").open("a") as config:
            config.write(
                '[model."openai-compatible:dear/cut:3,ok"]\nprice = { input = 10.0, output = 100.0 }\n'
            )
        async with Hall.open() as hall:
            result = await hall.run_team(
                member("only", [dear, cheap]), TASK, budget=Budget(usd=0.1035),
                on_text=lambda path, attempt, text: shown.append((attempt, text)),
            )  # fmt: skip
    last = max(attempt for attempt, _ in shown)
    assert last > shown[0][0] == 1
    assert "".join(text for attempt, text in shown if attempt == last) == result.answer


async def test_the_worst_case_of_a_member_without_tools_has_its_reply_cut_again_and_again(
    priced: Path,
) -> None:
    with fake_models(lambda body, api: Says("more", stop="max_tokens", usage=None)) as server:
        environ = {"GUILDHALL_BASE_URL": f"{server.url}/v1"}
        async with Hall.open(environ=environ) as hall:
            plan = await hall.estimate("synthesizer", TASK, kind="ask", model="openai-compatible:cheap")
            run = await hall.ask("synthesizer", TASK, model="openai-compatible:cheap")
    assert run.usage.calls == plan.members[0].calls == 3
    assert (run.usage.cost_usd or 1.0) <= (plan.members[0].usd or 0.0)


async def test_an_overload_after_text_had_come_costs_that_text(priced: Path) -> None:
    books = Books()
    with fake_models(lambda body, api: Says("alpha beta gamma delta epsilon zeta")) as server:
        model = asking(server, "cheap/sseerror:4,ok")
        async with Hall.open() as hall:
            await hall.run_team(member("only", model), TASK, sinks=[books])
    lost = books.of(Lost)
    assert [event.error for event in lost] == ["overloaded"]
    assert lost[0].spent.input > 0


async def test_what_the_caller_got_wrong_is_not_held_against_the_model(project: Path) -> None:
    with fake_models(lambda body, api: Fault("400")) as server:
        async with Hall.open() as hall:
            books = Books()
            await hall.run_team(member("only", asking(server, "fake")), TASK, sinks=[books])
            assert books.of(Lost)
            assert await hall._shared.track() == {}


async def test_what_was_paid_for_of_an_answer_without_an_end_is_kept(project: Path) -> None:
    with fake_models(lambda body, api: Says("more and ", stop="max_tokens")) as server:
        async with Hall.open() as hall:
            result = await hall.run_team(member("only", asking(server, "fake")), TASK)
    assert result.answer == "more and more and more and \n\n[cut off here]"
    assert "the answer of only was cut off after 3 replies of full length" in result.notices


async def test_a_model_of_ones_own_that_breaks_after_text_had_come_is_paid_for(project: Path) -> None:
    class Breaks:
        name, price = "mine:breaks", (1.0, 10.0)

        async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
            on_text("text that cost something")
            raise RuntimeError("it broke")

    books = Books()
    async with Hall.open() as hall:
        await hall.run_team(Agent("only", "You are.", [Breaks()]), TASK, sinks=[books])
    assert books.of(Lost)[0].spent.usd > 0


async def test_members_that_a_budget_left_out_come_in_with_a_larger_one(priced: Path) -> None:
    with fake_models(lambda body, api: f"{len(server.requests)}") as server:
        team = Parallel("many", [member(f"m{number}", asking(server, "cheap")) for number in range(4)])
        async with Hall.open() as hall:
            few = await hall.run_team(team, TASK, budget=Budget(calls=2))
            same = await hall.resume(few.run_id, team=team)
            all_ = await hall.resume(few.run_id, team=team, budget=Budget(calls=8))
        assert len(server.requests) == 4
    assert [few.status, same.answer, all_.status] == ["done", few.answer, "done"]
    assert [said.status for said in all_.contributions] == ["answered"] * 4


async def test_an_answer_stands_when_the_run_is_gone_on_with_in_vain(priced: Path) -> None:
    broken = False

    def says(body: dict[str, Any], api: str) -> Says | Fault:
        return Fault("401") if broken else Says("the answer")

    with fake_models(says) as server:
        one, last = (member(name, asking(server, "cheap")) for name in ("one", "last"))
        team = Parallel("many", [one, replace(one, name="long", max_output=90_000)], last)
        async with Hall.open() as hall:
            first = await hall.run_team(team, TASK, budget=Budget(tokens=20_000))
            broken = True
            vain = await hall.resume(first.run_id, team=team, budget=Budget(tokens=900_000))
            stored, row = await hall.result(first.run_id), await hall.find(first.run_id)
    assert [one.status for one in (first, vain, stored)] == ["done"] * 3
    assert {first.answer, vain.answer, stored.answer, row.answer} == {"the answer"}
    assert any("the earlier answer stands" in notice for notice in vain.notices)


async def test_what_came_of_a_run_that_was_gone_on_with_is_remembered_in_place_of_the_first(
    priced: Path,
) -> None:
    with fake_models(lambda body, api: f"opinion {len(server.requests)}") as server:
        team = Parallel("many", [member(f"m{number}", asking(server, "cheap")) for number in range(2)])
        async with Hall.open() as hall:
            first = await hall.run_team(team, TASK, budget=Budget(calls=1))
            await hall.resume(first.run_id, team=team, budget=Budget(calls=9))
            outcomes = [
                hit.record.text for hit in await hall.recall("outcome offers") if hit.record.author.run
            ]
    assert len(outcomes) == 1
    assert "opinion 2" in outcomes[0]


async def test_a_cut_off_answer_is_told_from_one_that_could_not_be_used(project: Path) -> None:
    said = iter([Says("begun ", stop="max_tokens"), *[Says(calls=(Call("nobody", "{}"),))] * 2])
    with fake_models(lambda body, api: next(said)) as server:
        async with Hall.open() as hall:
            result = await hall.run_team(member("only", asking(server, "fake")), TASK)
    assert (result.status, result.answer) == ("failed", "")
    assert "nobody" in result.error


async def test_limits_that_a_larger_budget_does_not_name_stay(project: Path) -> None:
    first, later = Budget(usd=1, depth=3), Budget(calls=20)
    assert limits_of(later, first, 0) == Budget(usd=1, calls=20, depth=3)


async def test_a_secret_across_the_seam_of_a_reply_that_was_gone_on_with_is_found(project: Path) -> None:
    key = "ghp_" + "aB3dE5fG7h" * 4
    said = iter([Says(f"It is {key[:9]}", stop="max_tokens"), Says(f"{key[9:]}, so.")])
    with fake_models(lambda body, api: next(said)) as server:
        async with Hall.open() as hall:
            result = await hall.run_team(member("only", asking(server, "fake")), TASK)
    assert result.answer == "It is [redacted: github], so."


async def test_an_answer_that_was_cut_off_is_not_paid_again_in_a_run_that_is_gone_on_with(
    priced: Path,
) -> None:
    with fake_models(lambda body, api: Says("more and ", stop="max_tokens")) as server:
        one = member("one", asking(server, "cheap"))
        team = Parallel("many", [one, replace(one, name="long", max_output=90_000)])
        async with Hall.open() as hall:
            first = await hall.run_team(team, TASK, budget=Budget(tokens=20_000))
            before = len(server.requests)
            await hall.resume(first.run_id, team=team, budget=Budget(tokens=900_000))
    assert first.status == "done"
    assert (before, len(server.requests)) == (3, 6)


async def test_the_end_of_the_seconds_is_said_also_where_cheaper_models_wait(priced: Path) -> None:
    let_go = threading.Event()
    with fake_models(lambda body, api: Says(body["model"], after=let_go)) as server:
        models = asking(server, "dear", "cheap")
        async with Hall.open() as hall:
            result = await hall.run_team(member("only", models), TASK, budget=Budget(usd=0.05, seconds=0.3))
            let_go.set()
    assert "seconds are over" in result.error
