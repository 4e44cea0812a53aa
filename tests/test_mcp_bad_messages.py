"""Whatever a host writes to the server: stdout carries JSON-RPC alone, and what comes next is answered."""

import base64
import json
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from mcp_host import write_files
from raw_host import FRONT, LIBRARY, Message, RawHost, greeting, raw_host

from guildhall.mcp_server.answering import DECLARES

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("asking")]
CASES = json.loads((Path(__file__).parent / "data" / "bad_messages.json").read_text("utf-8"))
CALLS = [case for case in CASES if case["kind"] == "call"]
WIRE = [case for case in CASES if case["kind"] == "wire" and "at" not in case]
[FIRST] = [case for case in CASES if case.get("at") == "first"]
[LAST] = [case for case in CASES if case.get("at") == "last"]
FACES = pytest.mark.parametrize("started", [FRONT, LIBRARY], ids=["front", "library"])
ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])
PINGS = {"legacy": "ping", "modern": "server/discover"}
"""What is asked to see that somebody is there."""
AT_ONCE = 1.0
"""Seconds for the answer to a ping, whatever came before it; on a busy machine, for one of three."""


@pytest.fixture
def asking(project: Path) -> Path:
    write_files(project)
    return project


@ERAS
@FACES
def test_what_cannot_be_called_is_refused_in_words(started: list[str], era: str) -> None:
    with raw_host(started) as host:
        _begin(host, era, experimental={DECLARES: {"by": "user"}})
        made = {"answered_run": _answered_run(host)}
        for case in CALLS:
            arguments = case["call"].get("arguments")
            if isinstance(arguments, dict):
                arguments = {name: _made(value, made) for name, value in arguments.items()}
            call = case["call"] | ({"arguments": arguments} if "arguments" in case["call"] else {})
            host.request("fault", "tools/call", **call)
            said, _ = _until_pinged(host, PINGS[era], answers=1)
            _check(case, said)


@ERAS
@FACES
def test_whatever_is_on_the_wire_is_outlived(started: list[str], era: str) -> None:
    with raw_host(started) as host:
        _begin(host, era)
        host.ask("tools/call", name="recall", arguments={"query": "anything"})
        for case in WIRE:
            assert min(_seconds(host, case, era) for _ in range(3)) < AT_ONCE, case["id"]


@pytest.mark.parametrize("case", WIRE, ids=lambda case: case["id"])
def test_whatever_follows_the_greeting_is_outlived(case: dict[str, Any]) -> None:
    with raw_host(FRONT) as host:
        hello: Message = {"id": "hello", "method": "initialize", "params": greeting()}
        host.send(hello, {"method": "notifications/initialized"}, _bytes(case))
        assert host.read()["id"] == "hello"
        _check(case, _until_pinged(host, answers=_answers(case))[0])
        assert len(host.ask("tools/list")["result"]["tools"]) == 6


@FACES
def test_a_request_before_the_greeting_is_refused_and_the_greeting_is_heard(started: list[str]) -> None:
    with raw_host(started) as host:
        host.send(_bytes(FIRST))
        _check(FIRST, _until_pinged(host, answers=1)[0])
        assert host.greet()["result"]["serverInfo"]["name"] == "guildhall"


@FACES
def test_half_a_message_at_the_end_is_left(started: list[str]) -> None:
    with raw_host(started) as host:
        host.greet()
        host.send(_bytes(LAST))
    with raw_host(started) as host:
        host.send(_bytes(LAST))


def _begin(host: RawHost, era: str, **capabilities: Any) -> None:
    (host.greet if era == "legacy" else host.discover)(**capabilities)


def _answered_run(host: RawHost) -> str:
    """The id of a run whose question is answered."""
    call = {"name": "run_team", "arguments": {"task": "Is the pier safe?", "team": "asking"}}
    run = host.ask("tools/call", **call)["result"]["structuredContent"]
    assert run["status"] == "needs_input"
    answer = {"run_id": run["run_id"], "answer": "yes"}
    done = host.ask("tools/call", name="get_run", arguments=answer)["result"]["structuredContent"]
    assert done["status"] == "done"
    return str(run["run_id"])


def _seconds(host: RawHost, case: dict[str, Any], era: str) -> float:
    """The seconds until a ping after the fault was answered; what else was answered is as the case has it."""
    host.send(_bytes(case))
    said, seconds = _until_pinged(host, PINGS[era], answers=_answers(case))
    if era == "legacy":
        _check(case, said)
    assert len(said) == _answers(case), (case["id"], said)
    return seconds


def _until_pinged(host: RawHost, ping: str = "ping", *, answers: int) -> tuple[list[Message], float]:
    """The answers to the fault, and the seconds until a ping after it was answered."""
    began, said, pinged = monotonic(), list[Message](), 0.0
    host.request("ping", ping)
    while not pinged or len(said) < answers:
        message = host.read()
        if message["id"] == "ping":
            assert "result" in message
            pinged = monotonic() - began
        else:
            said.append(message)
    return said, pinged


def _check(case: dict[str, Any], said: list[Message]) -> None:
    """Whether the answers are as the case has it."""
    assert {message["id"] for message in said} <= {"fault"}, case["id"]
    assert len(said) == _answers(case), (case["id"], said)
    errors = [message["error"]["code"] for message in said if "error" in message]
    assert set(errors) <= {*case.get("errors", [])}, (case["id"], said)
    assert errors or "errors" not in case, (case["id"], said)
    for words in case.get("says", []):
        [message] = said
        assert message["result"]["isError"], case["id"]
        assert words in message["result"]["content"][0]["text"], case["id"]


def _answers(case: dict[str, Any]) -> int:
    return int(case.get("answers", 1))


def _bytes(case: dict[str, Any]) -> bytes:
    if "base64" in case:
        return base64.b64decode(case["base64"])
    text: str = case["text"] if "text" in case else eval(case["python"], {"__builtins__": {}})
    return text.encode()


def _made(value: Any, made: dict[str, str]) -> Any:
    return value.format(**made) if isinstance(value, str) else value
