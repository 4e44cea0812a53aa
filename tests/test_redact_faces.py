"""No secret is on disk, in a result, in an event, in a log or on its way to a model, wherever it came in."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from secret_cases import BEGIN, BODY, CASES, END, KEY, Case
from shell import guildhall
from support import Books

from guildhall import Hall
from guildhall.agents import Agent, Attachment, Message, ModelReply, Run, ToolCall, tool
from guildhall.agents.documents import read_files
from guildhall.agents.event import EVENT
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.errors import Failure, UserError


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What the product logs, as a handler of the user's would write it."""
    stream = io.StringIO()
    handler, log = logging.StreamHandler(stream), logging.getLogger("guildhall")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield stream
    log.setLevel(level)
    log.removeHandler(handler)


def on_disk(folder: Path) -> str:
    """Everything in the folder, as text; line ends and quotes of JSON as what they stand for."""
    data = b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())
    return data.decode("latin-1").replace("\\n", "\n").replace('\\"', '"')


def left(case: Case, *texts: str) -> list[str]:
    return [part for part in case.secret if any(part in text for text in texts)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.text[:16]}")
@pytest.mark.slow
async def test_a_secret_that_comes_in_anywhere_is_nowhere(
    case: Case, project: Path, home: Path, logged: io.StringIO
) -> None:
    @tool
    def look(at: str) -> str:
        """Look."""
        return f"It says: {case.text}"

    @tool
    def fail(at: str) -> str:
        """Fail."""
        raise ValueError(case.text)

    class Remembers(StubMember):
        async def run(self, message: Message, run: Run) -> Message:
            await run.remember(case.text, subject="the key", tags=[case.text], source=case.text)
            hits = await run.recall(case.text)
            return run.answer(message, case.text, data={"said": [hit.record.text for hit in hits]})

    model = ScriptedModel(
        ModelReply(text=case.text, calls=(ToolCall(id="1", name="look", arguments={"at": case.text}),)),
        ModelReply(calls=(ToolCall(id="2", name="fail", arguments={"at": "here"}),)),
        f"So it is:\n\n{case.text}\n",
    )
    file = project / "notes.md"
    file.write_text(f"# Notes\n\n{case.text}\n", "utf-8")
    books, streamed = Books(), list[str]()

    def on_text(path: str, attempt: int, text: str) -> None:
        streamed.append(text)
        raise ValueError(f"a face that fails: {case.text}")

    def sink(event: object) -> None:
        raise ValueError(f"a sink that fails: {case.text}")

    async with Hall.open() as hall:
        agent = Agent("ann", "Look.", [model], [look, fail])
        result = await hall.run_team(
            agent, f"What is this?\n\n{case.text}", context=case.text, files=[file],
            sinks=[books, sink], on_text=on_text,
        )  # fmt: skip
        remembered = await hall.run_team(Remembers("bob"), "Remember.", sinks=[books])
        failed = await hall.run_team(
            StubMember("cy", Failure(case.text, kind="auth")), "Fail.", sinks=[books]
        )
        again = await hall.result(result.run_id)
        events = [EVENT.dump_json(event).decode() for event in await hall.events(result.run_id)]
        requests = [turn.prompt() for request in model.requests for turn in request.turns]
        calls = [
            call.model_dump_json()
            for request in model.requests
            for turn in request.turns
            for call in turn.calls
        ]
        assert (result.status, remembered.status, failed.status) == ("done", "done", "failed")
        assert left(case, on_disk(home)) == []
    assert left(case, on_disk(home)) == []
    results = [
        json.dumps(each.model_dump(mode="json"), ensure_ascii=False) for each in (result, again, remembered)
    ]
    told = [
        *results,
        failed.model_dump_json(),
        *events,
        *(EVENT.dump_json(event).decode() for event in books.events),
    ]
    assert left(case, *(text.replace("\\n", "\n").replace('\\"', '"') for text in told)) == []
    assert left(case, *requests, *calls) == []
    assert left(case, "".join(streamed), logged.getvalue()) == []
    assert "a face that fails" in logged.getvalue()
    assert "a sink that fails" in logged.getvalue()
    assert "[redacted: " in result.answer


async def test_all_of_a_record_is_redacted(project: Path, home: Path) -> None:
    async with Hall.open() as hall:
        await hall.remember(f"The key: {KEY}", subject=f"key {KEY}", source=f"mail {KEY}", tags=["a", KEY])
        (hit,) = await hall.recall("the key")
    assert KEY not in repr(hit)
    assert hit.record.tags == ("a", "[redacted: anthropic]")
    assert KEY not in on_disk(home)


def test_a_file_is_read_without_its_secrets(tmp_path: Path) -> None:
    file = tmp_path / "notes.md"
    file.write_text(f"One.\r\nThe key is {KEY}.\r\n", "utf-8")
    given = Attachment(name="more.txt", media_type="text/plain", data=f"{KEY}!".encode(), private=True)
    png = Attachment(name="a.png", media_type="image/png", data=b"\x89PNG" + KEY.encode())
    notes, more, image = read_files([file, given, png])
    assert notes.data.decode() == "One.\nThe key is [redacted: anthropic].\n"
    assert (more.data, more.private) == (b"[redacted: anthropic]!", True)
    assert image == png


@pytest.mark.parametrize(
    "name", [".env", ".env.local", ".ENV", "id_rsa", "id_ed25519", ".netrc", ".pgpass", "key.p12"]
)
def test_a_file_of_credentials_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("harmless")
    with pytest.raises(UserError, match="credentials"):
        read_files([tmp_path / name])


@pytest.mark.parametrize(
    ("name", "text", "refused"),
    [
        ("server.pem", f"{BEGIN}\n{BODY}\n{END}\n", True),
        ("server.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", False),
        ("server.key", f"{BEGIN}\n{BODY}\n{END}\n", True),
        ("credentials.json", json.dumps({"api_key": "abcd1234" + "efgh5678"}), True),
        ("credentials.md", "How we give credentials to people.", False),
        (".npmrc", "//registry.example.com/:_authToken=" + "npm_" + "aB3c" * 9, True),
        (".npmrc", "fund=false", False),
        (".env.example", "API_KEY=", False),
        ("id_rsa.pub", "ssh-rsa AAAAB3NzaC1yc2E user@host", False),
    ],
)  # fmt: skip
def test_a_file_that_may_hold_credentials_is_refused_if_it_does(
    name: str, text: str, refused: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    if refused:
        with pytest.raises(UserError, match="holds credentials"):
            read_files([tmp_path / name])
    else:
        assert read_files([tmp_path / name])[0].data.decode() == text


@pytest.mark.parametrize(
    "given", [("--{}",), ("run", "--{}"), ("{}",), ("ask", "critic", "x", "--budget-usd", "{}")]
)
def test_a_secret_that_is_given_in_the_wrong_place_is_not_repeated(
    given: tuple[str, ...], home: Path
) -> None:
    said = guildhall(*(part.format(KEY) for part in given))
    assert said.exit_code == 2
    assert "[redacted: anthropic]" in said.output
    assert KEY not in said.output + said.stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_doctor_shows_no_key_that_stands_in_a_wrong_place(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    home.mkdir()
    (home / "config.toml").write_text(f'[models]\nfast = "anthropic:{KEY}"\n')
    monkeypatch.setenv("GUILDHALL_BASE_URL", "http://bob:hunter2pw@127.0.0.1:9/v1")
    said = guildhall("doctor", *options)
    assert said.stdout
    assert KEY not in said.output
    assert "hunter2pw" not in said.output
