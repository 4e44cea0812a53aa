"""Many episodes become few facts that link to them, when somebody asks for it and within a budget."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels, Says, fake_models
from shell import data, done, guildhall

from guildhall.agents import Budget, Hall
from guildhall.agents.consolidate import consolidate
from guildhall.errors import UserError
from guildhall.memory.records import Author, Record

CRANE = [
    f"Task for team: inspect the harbour crane in week {week}\nOutcome: its bolts were loose"
    for week in "abc"
]
ENVIRON = "GUILDHALL_BASE_URL"


def finds(text: str = "The bolts of the harbour crane come loose.", **more: Any) -> Any:
    """A model that makes one fact of all that it is shown."""

    def said(body: dict[str, Any], api: str) -> Says:
        labels = [label for label in shown(body) if label not in more.get("but", ())]
        fact = {"text": text, "kind": "fact", "subject": more.get("subject", ""), "sources": labels}
        return Says(json.dumps({"facts": [fact]}))

    return said


def shown(body: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(re.findall(r"\[(memory:[0-9a-f]{8})\]", json.dumps(body["messages"]))))


async def remember(hall: Hall, *texts: str, **more: Any) -> list[str]:
    return [(await hall.remember(text, kind="episode", **more)).id for text in texts]


async def facts(hall: Hall) -> list[Record]:
    found = await hall.search("", sort="recent", limit=50, tags=("consolidated",))
    return [hit.record for hit in found.hits]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    with fake_models(finds()) as server:
        monkeypatch.setenv(ENVIRON, f"{server.url}/v1")
        yield server


async def test_it_is_only_shown_what_would_be_done_unless_it_is_asked_for(
    server: FakeModels, project: Path
) -> None:
    async with Hall.open() as hall:
        ids = await remember(hall, *CRANE, "On Fridays lunch is late.")
        would = await consolidate(hall)
        assert (await facts(hall), await hall.runs()) == ([], [])
    assert [one.episodes for one in would.groups] == [tuple(ids[:3])]
    assert (would.model, would.result) == ("openai-compatible:fake", None)
    assert [request for request in server.requests if request.body] == []


async def test_the_facts_link_to_their_episodes_which_stay_and_are_not_looked_at_again(
    server: FakeModels, project: Path
) -> None:
    async with Hall.open() as hall:
        ids = await remember(hall, *CRANE, author=Author(agent="team"))
        did = await consolidate(hall, write=True, budget=Budget(calls=5))
        [fact], again = await facts(hall), await consolidate(hall)
        left = await hall.search("", sort="recent", kinds=["episode"])
    assert did.result is not None
    assert fact.text == "The bolts of the harbour crane come loose."
    assert fact.derived_from == tuple(ids)
    assert (fact.author.agent, fact.author.model) == ("consolidator", "openai-compatible:fake")
    assert (fact.author.run, fact.trust) == (did.result.run_id, 0.7)
    assert [(one.id, one.sources) for one in did.made.facts] == [(fact.id, tuple(ids))]
    assert again.groups == ()
    assert {hit.record.id for hit in left.hits} == set(ids)  # and nothing of the consolidation itself


async def test_facts_of_what_few_may_see_are_for_those_few(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_models(finds()) as server:
        monkeypatch.setenv(ENVIRON, f"{server.url}/v1")
        async with Hall.open() as hall:
            await remember(hall, *CRANE, author=Author(agent="ann"), visibility="private")
            await remember(hall, *CRANE, private=True)
            did = await consolidate(hall, write=True)
            [fact] = await facts(hall)
    assert (fact.visibility, fact.author.agent) == ("private", "ann")
    assert did.made.failed == ("group 2: its episodes are private, and the model is not marked private",)
    assert len(server.requests) == 1


async def test_a_fact_of_old_episodes_does_not_take_the_place_of_what_came_later(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_models(finds(subject="crane.bolts")) as server:
        monkeypatch.setenv(ENVIRON, f"{server.url}/v1")
        async with Hall.open() as hall:
            await remember(hall, *CRANE, valid_from=1e9)
            newer = await hall.remember("The bolts hold.", subject="crane.bolts", author=Author(agent="bob"))
            await consolidate(hall, write=True)
            holds = await hall.recall("crane bolts", kinds=["fact"])
    assert [hit.record.id for hit in holds] == [newer.id]


async def test_a_budget_that_is_too_small_keeps_what_was_paid_for(server: FakeModels, project: Path) -> None:
    bread = [
        f"Customers of {month} like rye bread and miss white rolls." for month in ("May", "June", "July")
    ]
    async with Hall.open() as hall:
        await remember(hall, *CRANE, *bread)
        did = await consolidate(hall, write=True, budget=Budget(calls=1))
    assert did.result is not None
    assert did.result.status == "done"
    assert len(did.made.facts) == 1
    assert "the budget has no room for 1 of 2 groups" in did.made.failed[0]


async def test_without_an_llm_it_is_said_what_is_missing(project: Path) -> None:
    async with Hall.open() as hall:
        await remember(hall, *CRANE)
        with pytest.raises(UserError, match="needs an LLM, and only the built-in extractive model is here"):
            await consolidate(hall, write=True)


def test_the_command_shows_what_it_would_do_and_does_it_when_told(server: FakeModels, project: Path) -> None:
    assert "nothing to do" in done("memory", "consolidate")
    for text in CRANE:
        done("remember", text, "--kind", "episode")
    would = done("memory", "consolidate")
    assert "3 episodes, the newest: Task for team: inspect the harbour crane in week c" in would
    assert "nothing was done. --write does it." in would
    did = done("memory", "consolidate", "--write", "--model", "openai-compatible:fake")
    assert "The bolts of the harbour crane come loose." in did
    assert "1 fact of 1 groups" in did
    assert data("memory", "consolidate")["groups"] == []
    assert guildhall("memory", "consolidate", "--budget-usd", "0").exit_code == 2
