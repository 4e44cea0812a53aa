"""What a run wants of its host: that it asks the user, and that it lends its model; in both eras."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from http_served import served_http
from mcp.client import Client
from mcp.client.extension import ClientExtension
from mcp_host import data, text, write_files
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    TextContent,
)

from guildhall.agents import Hall
from guildhall.mcp_server.answering import DECLARES
from guildhall.mcp_server.server import build

ERAS = pytest.mark.parametrize("era", ["legacy", "auto"])
ASK = {"task": "Is the pier safe?", "team": "asking", "context": "The pier is safe since May."}
pytestmark = pytest.mark.usefixtures("asking")


@pytest.fixture
def asking(project: Path) -> Path:
    write_files(project)
    return project


class Person:
    """Answers forms, one after the other."""

    def __init__(self, *answers: ElicitResult) -> None:
        self.answers, self.asked = [*answers], list[str]()

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        return self.answers.pop(0)


def says(answer: str) -> ElicitResult:
    return ElicitResult(action="accept", content={"answer": answer})


@ERAS
async def test_the_user_is_asked_in_a_form_of_the_host(era: str) -> None:
    person = Person(says("It is safe, I saw it."))
    async with Client(build(), mode=era, elicitation_callback=person) as client:
        result = data(await client.call_tool("run_team", ASK))
    assert (result["status"], len(person.asked)) == ("done", 1)
    assert "Is the pier safe?" in person.asked[0]
    assert "It is safe, I saw it." in str(result["contributions"])


@ERAS
async def test_who_puts_the_form_away_has_answered_nothing(era: str) -> None:
    person = Person(ElicitResult(action="cancel"))
    async with Client(build(), mode=era, elicitation_callback=person) as client:
        result = data(await client.call_tool("run_team", ASK))
    assert (result["status"], result["answer"]) == ("needs_input", "")
    assert "guildhall answer" in result["next"]


@ERAS
async def test_a_host_that_cannot_ask_is_told_what_to_say_to_the_user(era: str) -> None:
    async with Client(build(), mode=era) as client:
        result = await client.call_tool("run_team", ASK)
        asked = data(result)
        assert asked["status"] == "needs_input"
        assert "Is the pier safe?" in asked["error"]
        assert "Do not answer it yourself" in text(result)
        denied = await client.call_tool("get_run", {"run_id": asked["run_id"], "answer": "Yes, safe."})
        assert denied.is_error
        assert "only the user may" in text(denied)
        assert data(await client.call_tool("get_run", {"run_id": asked["run_id"]}))["status"] == "needs_input"
        async with Hall.open() as hall:
            await hall.answer(asked["run_id"], "It is safe.")
        done = data(await client.call_tool("get_run", {"run_id": asked["run_id"]}))
    assert done["status"] == "done"


@ERAS
async def test_an_answer_counts_where_the_host_declares_that_the_user_gave_it(era: str) -> None:
    async with Client(build(), mode=era, extensions=[Declared()]) as client:
        asked = data(await client.call_tool("run_team", ASK))
        done = data(await client.call_tool("get_run", {"run_id": asked["run_id"], "answer": "It is safe."}))
    assert (done["status"], done["run_id"]) == ("done", asked["run_id"])


async def test_an_answer_counts_where_a_view_gave_it_and_no_model_can_make_one_up() -> None:
    async with Client(build()) as client:
        asked = data(await client.call_tool("run_team", ASK))
        seen = await client.call_tool("get_run", {"run_id": asked["run_id"], "after": -1})
        [question] = [
            item for item in (seen.meta or {})["guildhall/view"]["items"] if item["is"] == "question"
        ]
        proof = question["name"].partition(".")[2]
        assert proof
        assert proof not in text(seen) + str(seen.structured_content)
        answer = {"run_id": asked["run_id"], "answer": "It is safe."}
        for forged in (question["name"][:-1] + "x", "", question["name"].partition(".")[0] + "."):
            assert (await client.call_tool("get_run", {**answer, "question": forged})).is_error
        done = data(await client.call_tool("get_run", {**answer, "question": question["name"]}))
    assert done["status"] == "done"


@ERAS
async def test_an_answer_that_was_given_is_not_given_again(era: str) -> None:
    async with Client(build(), mode=era, extensions=[Declared()]) as client, Client(build()) as other:
        asked = data(await client.call_tool("run_team", ASK))
        async with Hall.open() as hall:
            [question] = await hall.questions(asked["run_id"])
        answer = {"run_id": asked["run_id"], "answer": "It is safe."}
        assert data(await client.call_tool("get_run", answer))["status"] == "done"
        for named in ({}, {"question": question.id}, {"question": f"{question.id}.00"}):
            for host in (client, other):
                refused = await host.call_tool("get_run", answer | named)
                assert refused.is_error
                assert f"question {question.id} of run" in text(refused)
                assert "is answered already" in text(refused)


@ERAS
async def test_an_answer_is_for_what_was_asked_before_it_and_not_for_what_comes_next(era: str) -> None:
    """A host that has given up waiting calls again, and the run asks something else meanwhile."""
    twice = "name: twice\ndescription: Asks twice.\npattern: pipeline\nmembers: [human, reader, owner]"
    owner = "name: owner\ndescription: Owns the pier.\nhuman: true"
    write_files(Path.cwd(), {"teams/twice.md": twice, "specialists/owner.md": owner})
    async with Client(build(), mode=era, extensions=[Declared()]) as client:
        asked = data(await client.call_tool("run_team", {**ASK, "team": "twice"}))
        answer = {"run_id": asked["run_id"], "answer": "It is safe."}
        assert data(await client.call_tool("get_run", answer))["status"] == "needs_input"
        again = await client.call_tool("get_run", answer)
        assert again.is_error
        assert "name what this one is for" in text(again)
        async with Hall.open() as hall:
            [question] = await hall.questions(asked["run_id"])
        assert f"question={question.id!r}" in text(again)
        done = data(await client.call_tool("get_run", {**answer, "question": question.id}))
    assert done["status"] == "done"


class Declared(ClientExtension):
    """Says that answers are the user's own."""

    identifier = DECLARES

    def settings(self) -> dict[str, Any]:
        return {"by": "user"}


class LentModel:
    """The model of a host."""

    def __init__(self, text: str = "It is safe since May.", stop: str = "endTurn") -> None:
        self.text, self.stop, self.asked = text, stop, list[CreateMessageRequestParams]()

    async def __call__(self, context: Any, params: CreateMessageRequestParams) -> CreateMessageResult:
        self.asked.append(params)
        content = TextContent(text=self.text)
        return CreateMessageResult(role="assistant", content=content, model="lent-1", stop_reason=self.stop)


@ERAS
async def test_without_a_key_the_model_of_the_host_answers_where_it_lends_it(era: str) -> None:
    model = LentModel()
    async with Client(build(), mode=era, sampling_callback=model) as client:
        result = data(await client.call_tool("run_team", {"task": "Is the pier safe?", "team": "duo"}))
        alone = data(await client.call_tool("ask_specialist", {"task": "Sure?", "specialist": "reader"}))
    assert (result["status"], alone["status"]) == ("done", "done")
    assert {part["model"] for part in result["contributions"]} == {"host:model"}
    assert "It is safe since May." in result["answer"]
    assert len(model.asked) >= 3
    assert "Work together." in str([params.system_prompt for params in model.asked])
    assert "Is the pier safe?" in str(model.asked[0].messages)
    assert result["cost"]["unpriced_calls"] == result["cost"]["calls"]  # what it used is not known


async def test_what_the_host_refuses_is_said_as_the_reason() -> None:
    async def refuse(context: Any, params: CreateMessageRequestParams) -> ErrorData:
        return ErrorData(code=-1, message="the user said no")

    async with Client(build(), mode="legacy", sampling_callback=refuse) as client:
        result = data(await client.call_tool("ask_specialist", {"task": "Sure?", "specialist": "reader"}))
    assert result["status"] == "failed"
    assert "the user said no" in result["error"]


async def test_a_team_that_asks_more_often_than_a_host_calls_again_goes_on_in_the_next_call() -> None:
    """Each round of the newer protocol asks for all that is open; a chain of ten needs more than eight."""
    write_files(
        Path.cwd(),
        {"teams/chain.md": "name: chain\ndescription: A chain.\npattern: pipeline\nmembers: ["
         + ", ".join(f"m{number}" for number in range(10)) + "]",
         **{f"specialists/m{n}.md": f"name: m{n}\ndescription: Number {n}." for n in range(10)}},
    )  # fmt: skip
    model = LentModel()
    async with Client(build(), sampling_callback=model) as client:
        first = data(await client.call_tool("run_team", {"task": "Go.", "team": "chain"}))
        assert first["status"] == "running"
        asked = len(model.asked)
        done = data(await client.call_tool("get_run", {"run_id": first["run_id"]}))
    assert done["status"] == "done"
    assert 0 < asked <= 8 < len(model.asked) == 10


async def test_one_key_is_enough_that_no_host_is_asked_for_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from fake_models import fake_models

    model = LentModel()
    with fake_models() as server:
        monkeypatch.setenv("GUILDHALL_BASE_URL", f"{server.url}/v1")
        async with Client(build(), sampling_callback=model) as client:
            await client.call_tool("ask_specialist", {"task": "Sure?", "specialist": "reader"})
            await asyncio.sleep(0)
    assert (len(server.requests), model.asked) == (1, [])


@ERAS
async def test_a_run_that_asks_is_cancelled_for_good(era: str) -> None:
    async with Client(build(), mode=era) as client:
        run = data(await client.call_tool("run_team", {"task": "Is it safe?", "team": "asking"}))
        assert run["status"] == "needs_input"
        ended = data(await client.call_tool("cancel_run", {"run_id": run["run_id"]}))
        shown = await client.call_tool("get_run", {"run_id": run["run_id"], "after": -1})
        again = data(await client.call_tool("get_run", {"run_id": run["run_id"]}))
    items = (shown.meta or {})["guildhall/view"]["items"]
    assert [item["status"] for item in items if item["is"] == "run"] == ["cancelled"]
    assert [item["answer"] for item in items if item["is"] == "question"] == [""]
    async with Client(build(), mode=era) as client:
        later = data(await client.call_tool("get_run", {"run_id": run["run_id"]}))
    assert {one["status"] for one in (ended, again, later)} == {"cancelled"}
    assert "resume" in later["next"]


class Patient:
    """What a host takes its time for: it answers once it may."""

    def __init__(self, answer: ElicitResult | CreateMessageResult) -> None:
        self.answer, self.may = answer, asyncio.Event()
        self.asked = self.withdrawn = 0
        self.reached = asyncio.Event()

    async def __call__(self, context: Any, params: Any) -> Any:
        self.asked += 1
        self.reached.set()
        try:
            await self.may.wait()
        except asyncio.CancelledError:
            self.withdrawn += 1
            raise
        return self.answer


async def until_done(client: Client, run_id: str) -> dict[str, Any]:
    run = data(await client.call_tool("get_run", {"run_id": run_id}))
    while run["status"] in ("running", "needs_input"):
        run = data(await client.call_tool("get_run", {"run_id": run_id}))
    return run


@pytest.mark.parametrize("comes", ["while no call waits", "while a call waits"])
async def test_a_form_that_takes_longer_than_a_call_stays_with_the_user_and_counts(comes: str) -> None:
    person = Patient(says("It is safe, I saw it."))
    async with Client(build(patience=0.05), mode="legacy", elicitation_callback=person) as client:
        first = data(await client.call_tool("run_team", ASK))
        for _ in range(3):
            await client.call_tool("get_run", {"run_id": first["run_id"]})
        if comes == "while no call waits":
            person.may.set()
            async with Hall.open() as hall:
                while (await hall.find(first["run_id"])).status == "running":
                    await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.05, person.may.set)
        done = await until_done(client, first["run_id"])
    assert (done["status"], person.asked, person.withdrawn) == ("done", 1, 0)
    assert "It is safe, I saw it." in str(done["contributions"])


async def test_a_completion_that_takes_longer_than_a_call_is_asked_for_once_and_counts() -> None:
    content = TextContent(text="It is safe since May.")
    model = Patient(CreateMessageResult(role="assistant", content=content, model="lent-1"))
    async with Client(build(patience=0.05), mode="legacy", sampling_callback=model) as client:
        first = data(await client.call_tool("run_team", {"task": "Is the pier safe?", "team": "duo"}))
        assert first["status"] == "running"
        await client.call_tool("get_run", {"run_id": first["run_id"]})
        asyncio.get_running_loop().call_later(0.05, model.may.set)
        done = await until_done(client, first["run_id"])
    assert (done["status"], model.withdrawn) == ("done", 0)
    assert model.asked == done["cost"]["calls"] == 2


async def test_a_form_is_put_away_once_its_run_has_ended_or_was_answered_elsewhere() -> None:
    person = Patient(says("Too late."))
    async with Client(build(patience=0.05), mode="legacy", elicitation_callback=person) as client:
        first = data(await client.call_tool("run_team", ASK))
        ended = data(await client.call_tool("cancel_run", {"run_id": first["run_id"]}))
        assert (ended["status"], person.withdrawn) == ("cancelled", 1)
        second = data(await client.call_tool("run_team", {**ASK, "task": "Still?"}))
        async with Hall.open() as hall:
            await hall.answer(second["run_id"], "It is safe.")
        done = await until_done(client, second["run_id"])
    assert (done["status"], person.asked, person.withdrawn) == ("done", 2, 2)


@pytest.mark.slow
async def test_what_a_host_leaves_unanswered_the_next_one_is_asked(home: Path) -> None:
    leaves, stays = Patient(says("Never.")), Person(says("It is safe, I saw it."))
    with served_http(home) as server:
        async with server.host("legacy", elicitation_callback=leaves) as client:
            call = asyncio.create_task(client.call_tool("run_team", ASK))
            await leaves.reached.wait()
            call.cancel()
            await asyncio.wait({call})
        async with server.host("legacy", elicitation_callback=stays) as client:
            done = data(await client.call_tool("run_team", ASK))
    assert (done["status"], leaves.asked, len(stays.asked)) == ("done", 1, 1)
