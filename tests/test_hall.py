"""A team is asked by name, over files, on whatever models there are, and what came of it is kept."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_models import FakeModels, fake_models
from support import Books

from guildhall import Budget, Hall
from guildhall.agents import Agent, Attachment, Message, Parallel, Run
from guildhall.agents.event import Asked, Recalled, Remembered
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import FileError, NameUnknown, UserError

CONTRACT = """# Supply agreement

The buyer pays within 30 days of the invoice.

Either party may terminate with 90 days of notice. Late payment bears interest of 8 percent.
"""
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture
def contract(project: Path) -> Path:
    path = project / "contract.md"
    path.write_text(CONTRACT)
    return path


def both_providers(server: FakeModels) -> dict[str, str]:
    return {
        "ANTHROPIC_API_KEY": "a-key",
        "ANTHROPIC_BASE_URL": server.url,
        "OPENAI_API_KEY": "o-key",
        "OPENAI_BASE_URL": f"{server.url}/v1",
    }


async def test_without_a_key_the_extractive_model_answers_with_citations_and_says_so(contract: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.run_team("research", "When must the buyer pay an invoice?", files=[contract])
    assert result.status == "done"
    assert "The buyer pays within 30 days of the invoice. [contract.md:3]" in result.answer
    assert ("contract.md:3", "document") in [(source.label, source.kind) for source in result.sources]
    assert [said.member for said in result.contributions] == [
        "researcher",
        "analyst",
        "critic",
        "synthesizer",
    ]
    assert {said.model for said in result.contributions} == {"extractive"}
    assert any("ANTHROPIC_API_KEY" in notice for notice in result.notices)
    assert result.usage.cost_usd == 0


async def test_with_two_providers_one_run_speaks_to_both_and_shows_each_members_model(contract: Path) -> None:
    with fake_models() as server:
        async with Hall.open(environ=both_providers(server)) as hall:
            result = await hall.run_team("research", "When must the buyer pay?", files=[contract])
            plan = await hall.estimate("research", "When must the buyer pay?", files=[contract])
    assert result.status == "done"
    planned = {member.name: member.model for member in plan.members}
    models = {said.member: said.model for said in result.contributions}
    assert models == planned
    assert {model.partition(":")[0] for model in models.values()} == {"anthropic", "openai-compatible"}
    assert {request.api for request in server.requests} == {"messages", "chat"}
    assert "The buyer pays within 30 days" in json.dumps(server.requests[0].body)
    assert result.usage.calls == 4
    assert result.usage.input_tokens > 0
    assert result.usage.unpriced_calls == 2  # a compatible server has no price that we know
    assert result.usage.cost_usd


async def test_one_provider_serves_all_and_its_cost_is_known(contract: Path) -> None:
    with fake_models() as server:
        environ = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}
        async with Hall.open(environ=environ) as hall:
            result = await hall.run_team("research", "When?", files=[contract], budget=Budget(usd=0.5))
    assert {said.model.partition(":")[0] for said in result.contributions} == {"anthropic"}
    assert result.usage.cost_usd is not None
    assert 0 < result.usage.cost_usd < 0.5


async def test_a_compatible_server_is_asked_for_its_model_where_none_is_named(contract: Path) -> None:
    with fake_models() as server:
        async with Hall.open(environ={"GUILDHALL_BASE_URL": f"{server.url}/v1"}) as hall:
            result = await hall.ask("critic", "What is missing?", files=[contract])
    assert [said.model for said in result.contributions] == ["openai-compatible:fake"]


async def test_a_members_failure_over_http_keeps_the_others_and_is_told(contract: Path) -> None:
    (contract.parent / ".guildhall" / "teams").mkdir()
    (contract.parent / ".guildhall" / "teams" / "trio.md").write_text(
        "---\nname: trio\ndescription: d\npattern: parallel\nmembers: [researcher, critic]\n"
        "models: {critic: 'anthropic:broken/400'}\n---\n"
    )
    with fake_models() as server:
        async with Hall.open(environ=both_providers(server)) as hall:
            result = await hall.run_team("trio", "When?", files=[contract])
    statuses = {said.member: said.status for said in result.contributions}
    assert result.status == "done"
    assert statuses == {"researcher": "answered", "critic": "failed"}
    assert any(notice == "1 of 2 members answered; no answer from critic" for notice in result.notices)


async def test_the_next_run_on_a_related_task_recalls_what_came_of_the_first(contract: Path) -> None:
    books = Books()
    async with Hall.open() as hall:
        first = await hall.run_team(
            StubMember("team", "The interest is 8 percent."), "How high is late interest?"
        )
        events = await hall.events(first.run_id)
        member = StubMember("other", "noted")
        await hall.run_team(member, "What do we know of late interest?", sinks=[books])
    remembered = next(event for event in events if isinstance(event, Remembered))
    recalled = next(event for event in books.of(Recalled))
    assert recalled.records == (remembered.record,)
    assert "8 percent" in recalled.texts[0]
    quote = member.messages[0].quotes[0]
    assert (quote.kind, quote.label) == ("memory", remembered.record)


async def test_a_run_recalls_what_others_have_remembered_and_not_what_it_has_itself() -> None:
    class Notes(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await run.remember(f"{self.answer} The interest of the bank is late.")
            hits = await run.recall("interest of the bank")
            return run.answer(message, f"heard {[hit.record.text for hit in hits]}")

    async with Hall.open() as hall:
        first = await hall.run_team(Notes("ann", "One."), "Go.")
        second = await hall.run_team(Notes("bob", "Two."), "Go.")
    assert first.answer == "heard []"
    assert "One. The interest of the bank is late." in second.answer
    assert "Two." not in second.answer


async def test_what_was_recalled_is_not_stored_again(project: Path) -> None:
    async with Hall.open() as hall:
        await hall.remember("The interest is 8 percent.")
        label = (await hall.recall("interest"))[0].record.label
        await hall.run_team(
            StubMember("team", f"It is 8 percent [{label}].\nPay early."), "What is the interest?"
        )
        texts = [hit.record.text for hit in await hall.recall("interest pay early", kinds=["episode"])]
    assert len(texts) == 1
    assert "Pay early." in texts[0]
    assert "8 percent" not in texts[0]


async def test_a_pattern_can_be_given_for_any_team(contract: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.run_team("review", "What matters?", files=[contract], pattern="parallel")
        assert result.pattern == "parallel"
        assert [said.member for said in result.contributions][-1] == "synthesizer"
        with pytest.raises(
            UserError, match=r"there is no pattern .committee.; there are: .*parallel, .*pipeline"
        ):
            await hall.run_team("review", "What matters?", pattern="committee")


async def test_a_specialist_may_be_a_role_described_in_words(contract: Path) -> None:
    with fake_models() as server:
        async with Hall.open(environ={"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}) as hall:
            result = await hall.ask("a patent lawyer for chemistry", "What is at stake?", files=[contract])
    assert result.status == "done"
    assert "You are a patent lawyer for chemistry." in json.dumps(server.requests[0].body["system"])


async def test_what_cannot_be_used_is_refused_before_anything_is_called_or_kept(contract: Path) -> None:
    binary = contract.parent / "data.bin"
    binary.write_bytes(b"\xff\xfe\xfa\x00")
    async with Hall.open() as hall:
        with pytest.raises(NameUnknown, match="did you mean research"):
            await hall.run_team("reserch", "Well?")
        with pytest.raises(UserError, match="the task is empty"):
            await hall.run_team("research", "  ")
        with pytest.raises(UserError, match="there is no file"):
            await hall.run_team("research", "Well?", files=["nowhere.md"])
        with pytest.raises(UserError, match="neither UTF-8 text nor an image or a PDF"):
            await hall.run_team("research", "Well?", files=[binary])
        with pytest.raises(UserError, match="whose model"):
            await hall.run_team("research", "Well?", model="some-model")
        assert await hall.runs() == []


async def test_a_wrong_configuration_is_named_with_what_is_allowed(home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text("[models]\nfastest = 'x'\n")
    with pytest.raises(FileError, match=r"there is no key models[.]fastest; allowed are fast, balanced"):
        async with Hall.open():
            pass


async def test_prices_of_the_configuration_price_a_model_that_nobody_lists(
    home: Path, contract: Path
) -> None:
    home.mkdir()
    price = '[model."openai-compatible:fake"]\nprice = { input = 1.0, output = 2.0 }\n'
    (home / "config.toml").write_text(price)
    with fake_models() as server:
        async with Hall.open(environ={"GUILDHALL_BASE_URL": f"{server.url}/v1"}) as hall:
            result = await hall.ask("critic", "What is missing?", files=[contract], budget=Budget(usd=1))
    used = result.usage
    assert used.cost_usd == pytest.approx((used.input_tokens + 2 * used.output_tokens) / 1e6)


async def test_an_image_goes_to_models_that_take_it_and_is_refused_by_name_elsewhere(project: Path) -> None:
    (project / "screen.png").write_bytes(PNG)
    async with Hall.open() as hall:
        refused = await hall.ask("critic", "What is on the picture?", files=["screen.png"])
    assert refused.status == "failed"
    assert "reads text only" in refused.error
    with fake_models() as server:
        async with Hall.open(environ={"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}) as hall:
            taken = await hall.ask("critic", "What is on the picture?", files=["screen.png"])
    assert taken.status == "done"
    assert "image/png" in json.dumps(server.requests[0].body)


@pytest.mark.slow
async def test_a_run_is_cancelled_from_another_process(project: Path) -> None:
    begun = asyncio.Event()

    class Endless(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            begun.set()
            await asyncio.Event().wait()
            return message

    cancel = (
        "import asyncio, guildhall\nasync def main():\n    async with guildhall.Hall.open() as hall:\n"
        "        print((await hall.cancel()).status)\nasyncio.run(main())"
    )
    async with Hall.open() as hall:
        work = asyncio.create_task(hall.run_team(Endless("endless"), "Go on."))
        await begun.wait()
        out = await asyncio.to_thread(subprocess.check_output, [sys.executable, "-c", cancel], text=True)
        result = await work
    assert out == "cancelled\n"
    assert result.status == "cancelled"


async def test_cancelling_a_run_closes_its_calls(project: Path) -> None:
    with fake_models() as server:
        environ = {"GUILDHALL_BASE_URL": f"{server.url}/v1"}
        async with Hall.open(environ=environ) as hall:
            books = Books()
            work = asyncio.create_task(
                hall.run_team("research", "Well?", model="openai-compatible:fake/hang", sinks=[books])
            )
            await asyncio.to_thread(server.wait_for, lambda seen: seen.in_flight == 3)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            await asyncio.to_thread(server.wait_for, lambda seen: seen.disconnected == 3)
            row = await hall.find()
    assert row.status == "cancelled"
    assert books.balanced
    assert len(books.of(Asked)) == 3


async def test_a_stored_run_tells_what_its_result_told(contract: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.run_team("research", "When must the buyer pay?", files=[contract])
    async with Hall.open() as later:
        assert (await later.result(result.run_id[:8])).to_json() == result.to_json()
        events = await later.events()
    assert [event.id for event in events] == list(range(1, len(events) + 1))


async def test_a_face_that_fails_does_not_stop_a_run(project: Path) -> None:
    def broken(*what: object) -> None:
        raise RuntimeError("broken")

    agent = Agent("ann", "Answer.", [ScriptedModel("fine")])
    async with Hall.open() as hall:
        result = await hall.run_team(agent, "Well?", sinks=[broken], on_text=broken)
    assert result.answer == "fine"


async def test_several_runs_at_once_share_one_hall(project: Path) -> None:
    async with Hall.open() as hall:
        results = await asyncio.gather(
            *(hall.run_team(StubMember(f"team{i}", f"answer {i}"), f"Task {i}") for i in range(20))
        )
        assert [result.answer for result in results] == [f"answer {i}" for i in range(20)]
        assert len(await hall.runs(50)) == 20


async def test_a_program_s_own_members_and_attachments_work(project: Path) -> None:
    model = ScriptedModel("two lines")
    file = Attachment(name="notes.txt", media_type="text/plain", data=b"first\n\nsecond")
    async with Hall.open() as hall:
        team = Parallel("solo", [Agent("ann", "Answer.", [model])])
        result = await hall.run_team(team, "How many?", files=[file], context="Count the paragraphs.")
    assert result.answer.endswith("two lines")
    labels = [quote.label for quote in model.requests[0].turns[1].quotes]
    assert labels == ["context", "notes.txt"]


async def test_what_a_file_shadows_is_said_with_the_result(contract: Path) -> None:
    folder = contract.parent / ".guildhall" / "specialists"
    folder.mkdir()
    (folder / "critic.md").write_text("---\nname: critic\ndescription: ours\n---\nJudge.\n")
    async with Hall.open() as hall:
        result = await hall.ask("critic", "When must the buyer pay?", files=[contract])
    assert any("in place of the built-in one" in notice for notice in result.notices)
