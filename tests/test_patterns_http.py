"""Every pattern over HTTP: members on both SDKs and on a compatible server, in teams as files name them."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from every_pattern import BROKEN, EVERY, HEAD, NAMES, Sample, authors_in, check_prompts
from fake_models import FakeModels, Fault, Request, Says, fake_models
from fake_replies import text_of
from obliging import WORD, Shown, obliging, quotes_of, without_quotes

from guildhall.agents import Hall, Result
from guildhall.agents.kinds import KINDS

ON = {"ann": "anthropic:claude-haiku-5-5", "bob": "openai:gpt-6-luna", "cyd": "openai-compatible:fake",
      HEAD: "openai:gpt-6-luna"}  # fmt: skip
API = {"anthropic": "messages", "openai": "responses", "openai-compatible": "chat"}
OWN = "keeps-to-itself"
"""Stands in everybody's instructions, which nobody else sees."""
UNREADABLE = "No JSON, but quvaxoquvaxo."
"""What is said first where a typed answer is asked for, and nobody but who said it sees."""
FIELDS = {kind.__name__: kind.model_fields.keys() for kind in KINDS}
every = pytest.mark.parametrize("sample", EVERY, ids=str)
pytestmark = pytest.mark.slow


class Heard:
    """A request as the server got it."""

    def __init__(self, request: Request) -> None:
        body, self.api = request.body, request.api
        turns: list[dict[str, Any]] = body["input"] if self.api == "responses" else body["messages"]
        self.whole = json.dumps(body)
        self.prompts = [text_of(turn) for turn in turns if turn.get("role") == "user"]
        seat = re.search(rf"seat-of-(\w+) {OWN}", self.whole)
        self.who = seat[1] if seat else "extra"  # who is engaged has no file
        chat = (body.get("response_format") or {}).get("json_schema")
        messages, responses = ((body.get(key) or {}).get("format") for key in ("output_config", "text"))
        self.schema = (chat or messages or responses or {}).get("schema")
        self.kind = (self.schema or {}).get("title", "")

    @property
    def quotes(self) -> list[Shown]:
        return [quote for prompt in self.prompts for quote in quotes_of(prompt)]


class Providers:
    """A server for each SDK and one more that is compatible, on which everybody does as asked."""

    def __init__(self, servers: dict[str, FakeModels]) -> None:
        self.servers = servers
        self.said: dict[str, str] = {}
        """Who has said which words."""
        self.failing = ""
        for server in servers.values():
            server.reply = self._reply

    @property
    def heard(self) -> list[Heard]:
        found = [request for server in self.servers.values() for request in server.requests]
        return [Heard(request) for request in sorted(found, key=lambda one: one.begin)]

    def _reply(self, body: dict[str, Any], api: str) -> Says | Fault:
        heard = Heard(Request(api, body, {}, ""))
        if heard.who == self.failing:
            return Fault("400", None, BROKEN)
        if heard.kind and len(heard.prompts) == 1:
            return Says(UNREADABLE)
        text = obliging(heard.who, heard.kind, heard.prompts[:1])
        self.said |= dict.fromkeys(WORD.findall(text), heard.who)
        return Says(text)


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Providers]:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(fake_models()) for name in API}
        monkeypatch.setenv("OPENAI_BASE_URL", f"{servers['openai'].url}/v1")
        yield Providers(servers)


@pytest.fixture
def environ(providers: Providers) -> dict[str, str]:
    """Without the address of OpenAI, which the SDK takes from the process: so it is asked as itself."""
    return {
        "ANTHROPIC_API_KEY": "a-key",
        "ANTHROPIC_BASE_URL": providers.servers["anthropic"].url,
        "OPENAI_API_KEY": "o-key",
        "GUILDHALL_BASE_URL": f"{providers.servers['openai-compatible'].url}/v1",
    }


def written(sample: Sample, project: Path) -> None:
    """The team and those who take part in it, as files."""
    folder = project / ".guildhall"
    for kind in ("specialists", "teams"):
        (folder / kind).mkdir()
    for who in (*NAMES, HEAD):
        front = f"---\nname: {who}\ndescription: knows what {who} knows\nmodel: {ON[who]}\n---\n"
        (folder / "specialists" / f"{who}.md").write_text(f"{front}seat-of-{who} {OWN}\n")
    team = {"name": "crew", "description": "d", "pattern": sample.pattern, "members": [*NAMES], **sample.keys}
    (folder / "teams" / "crew.md").write_text(f"---\n{yaml.safe_dump(team)}---\n")
    (project / "notes.md").write_text(sample.notes)


async def asked(sample: Sample, environ: dict[str, str]) -> Result:
    async with Hall.open(environ=environ) as hall:
        return await hall.run_team("crew", sample.task, files=["notes.md"], cache="off")


@every
async def test_a_team_of_several_providers_works_and_everybody_gets_all_that_it_needs(
    sample: Sample, project: Path, providers: Providers, environ: dict[str, str]
) -> None:
    written(sample, project)
    result = await asked(sample, environ)
    heard = providers.heard
    assert (result.status, result.error) == ("done", "")
    assert result.pattern == sample.pattern
    check_providers(result, heard)
    for one in heard:
        check_request(one, sample, providers.said)
    last = [one for one in heard if one.who == sample.last][-1]
    assert authors_in(last.prompts, providers.said) >= set(sample.shown.split())
    if sample.pattern == "map":
        parts = "\n".join(quote.text for one in heard for quote in one.quotes if one.who != HEAD)
        assert [line for line in sample.notes.splitlines() if line.strip() not in parts] == []


@every
async def test_a_provider_that_fails_is_nobodys_answer(
    sample: Sample, project: Path, providers: Providers, environ: dict[str, str]
) -> None:
    written(sample, project)
    providers.failing = "bob"
    result = await asked(sample, environ)
    assert result.status == ("failed" if "bob" in sample.needed.split() else "done")
    assert BROKEN in {said.member: said.error for said in result.contributions}["bob"]
    for one in providers.heard:
        for prompt in one.prompts:
            assert BROKEN not in without_quotes(prompt)
        answers = [quote for quote in one.quotes if quote.kind != "remark" and not quote.failed]
        assert not any(BROKEN in quote.text for quote in answers)


def check_providers(result: Result, heard: list[Heard]) -> None:
    """Everybody asked its own provider, typed answers with their schema, and what it cost is counted."""
    models = {said.member: said.model for said in result.contributions}
    for one in heard:
        if one.who in ON:
            assert one.api == API[ON[one.who].partition(":")[0]]
            assert models[one.who] == ON[one.who]
        if one.schema is not None:
            assert one.schema["properties"].keys() == FIELDS[one.kind]
    assert len({one.api for one in heard}) > 1
    usage = result.usage
    assert usage.calls == len(heard)
    assert usage.unpriced_calls == len([one for one in heard if one.api == "chat"])
    assert usage.cost_usd
    assert usage.input_tokens > usage.output_tokens > 0


def check_request(heard: Heard, sample: Sample, said: dict[str, str]) -> None:
    """It is complete and well formed, and nothing stands in it that only others are told."""
    check_prompts(sample, heard.who, heard.prompts, said)
    assert not any(quote.failed for quote in heard.quotes)
    assert heard.whole.count(OWN) == (heard.who in ON)
    assert UNREADABLE not in heard.whole or (heard.kind and heard.prompts[1:])
