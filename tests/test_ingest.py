"""Documents are read into memory, recalled by file and place, and kept as they are on disk."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from papers import bomb, docx, encrypted_pdf, ipynb, pdf, prose, xlsx
from rights import no_rights

from guildhall.errors import UserError
from guildhall.memory.ingest.pool import Limits
from guildhall.memory.ingest.sync import Progress, ingest
from guildhall.memory.memory import Memory
from guildhall.memory.records import NOBODY, Record
from guildhall.memory.store.database import Database

KEY = "sk-ant-api03-" + "abcdEFGH1234_-abcdEFGH1234"


@pytest.fixture
def docs(project: Path) -> Path:
    folder = project / "docs"
    folder.mkdir()
    return folder


@asynccontextmanager
async def remembering() -> AsyncIterator[Memory]:
    async with Memory.open() as memory:
        yield memory


async def best(memory: Memory, query: str) -> Record:
    return (await memory.recall(query, kinds=["document"]))[0].record


GUIDE = f"# Guide\n\n{prose(1)}\n\n## Install\n\nTurn the blue valve first.\n\n{prose(2)}\n"
KINDS: dict[str, tuple[str | bytes, str, str, str]] = {
    "guide.md": (GUIDE, "blue valve", "lines 5-9, Guide > Install", "docs/guide.md:5-9"),
    "plain.txt": ("The blue valve leaks.", "blue valve", "line 1", "docs/plain.txt:1"),
    "tap.py": (
        "import os\n\n\nclass Tap:\n" + "    x = 1\n" * 60 + "\n    def blue_valve(self):\n        pass\n",
        "blue valve", "lines 66-67, Tap", "docs/tap.py:66-67",
    ),
    "page.html": (
        f"<h1>Guide</h1><p>{prose(1)}</p><h2>Install</h2><script>x</script><p>Turn the blue <b>valve</b>.",
        "blue valve", "Guide > Install", "docs/page.html:Guide-Install",
    ),
    "report.pdf": (pdf([prose(1), "The blue valve."]), "blue valve", "p. 2", "docs/report.pdf:p-2"),
    "owner.pdf": (encrypted_pdf("", "boss"), "treasure crane", "p. 1", "docs/owner.pdf:p-1"),
    "word.docx": (
        docx([("Heading1", "Guide"), ("", prose(1)), ("Heading2", "Install"), ("", "The blue valve.")]),
        "blue valve", "Guide > Install", "docs/word.docx:Guide-Install",
    ),
    "book.xlsx": (
        xlsx([(f"A{row}", [f"pump {row}" if row != 90 else "blue valve", row]) for row in range(1, 121)]),
        "blue valve", "rows 1-120 of Prices", "docs/book.xlsx:rows-1-120-of-Prices",
    ),
    "list.csv": ("name;price\n" + "pump;1\n" * 200 + "blue valve;2\n", "blue valve", "rows 177-202", ""),
    "lab.ipynb": (
        ipynb([("markdown", prose(1), ""), ("code", "measure()", "the blue valve leaks\n")]),
        "blue valve", "cell 2", "docs/lab.ipynb:cell-2",
    ),
    "mail.eml": (
        "From: ann@x.org\nTo: bob@x.org\nSubject: Repairs\n\nThe blue valve.\n",
        "blue valve repairs", "", "docs/mail.eml",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
async def test_a_document_is_recalled_with_its_place_and_cited_by_it(name: str, docs: Path) -> None:
    given, query, place, label = KINDS[name]
    (docs / name).write_bytes(given if isinstance(given, bytes) else given.encode())
    async with remembering() as memory:
        done = await memory.ingest("docs")
        record = await best(memory, query)
    assert (done.added, done.problems) == (1, ())
    assert (record.source, record.place) == (f"docs/{name}", place)
    assert record.label == label or not label
    assert (record.kind, record.trust, record.session) == ("document", 0.9, f"file:docs/{name}")
    assert len(record.text) <= 1_600


async def test_the_lines_of_a_place_are_those_of_the_file(docs: Path) -> None:
    text = "\r\n".join(f"# Part {n}\r\n\r\n{prose(n)}\r\n\r\n- item {n}\r\n" for n in range(30))
    (docs / "long.md").write_bytes(text.encode())
    lines = text.replace("\r\n", "\n").split("\n")
    async with remembering() as memory:
        await memory.ingest("docs")
        hits = await memory.recall("part item", limit=200)
    assert len(hits) == 30
    for hit in hits:
        first = hit.record.first_line or 0
        said = hit.record.text.split("\n")
        assert lines[first - 1 : first - 1 + len(said)] == said


async def test_what_has_changed_is_read_again_and_what_is_gone_leaves(docs: Path) -> None:
    for name in ("a", "b", "c"):
        (docs / f"{name}.md").write_text(f"The {name}-crane is red.")
        os.utime(docs / f"{name}.md", (1e9, 1e9))
    async with remembering() as memory:
        first = await memory.ingest("docs")
        (docs / "a.md").write_text("The a-crane is green now.")
        (docs / "b.md").unlink()
        os.utime(docs / "c.md", (1.1e9, 1.1e9))
        second = await memory.ingest("docs")
        third = await memory.ingest("docs")
        texts = [hit.record.text for hit in await memory.recall("crane red green")]
    assert (first.added, first.chunks) == (3, 3)
    assert (second.added, second.changed, second.same, second.removed) == (0, 1, 1, 1)
    assert (third.changed, third.same, third.chunks) == (0, 2, 0)
    assert sorted(texts) == ["The a-crane is green now.", "The c-crane is red."]


async def test_only_what_is_named_is_looked_at_and_a_folder_that_is_gone_leaves(docs: Path) -> None:
    for name in ("one", "two"):
        (docs / name).mkdir()
        (docs / name / "x.md").write_text(f"The {name} crane.")
    async with remembering() as memory:
        await memory.ingest("docs")
        (docs / "one" / "x.md").unlink()
        (docs / "two" / "x.md").unlink()
        assert (await memory.ingest("docs/two")).removed == 1
        assert [hit.record.source for hit in await memory.recall("crane")] == ["docs/one/x.md"]
        (docs / "one").rmdir()
        assert (await memory.ingest("docs/one")).removed == 1
        with pytest.raises(UserError, match="there is no file or folder"):
            await memory.ingest("docs/one")


async def test_what_is_ignored_hidden_binary_or_a_link_is_not_read(docs: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.md").write_text("The outer crane.")
    files = {
        "keep.md": "crane", "draft.md": "crane", "sub/draft.md": "crane", "sub/secret-plan.md": "crane",
        "sub/kept.log": "crane", "x.log": "crane", ".hidden.md": "crane", ".cache/x.md": "crane",
        "node_modules/x.js": "crane", "photo.png": "crane", "blob": "cra\0ne", "empty.md": "",
    }  # fmt: skip
    for name, text in files.items():
        (docs / name).parent.mkdir(exist_ok=True)
        (docs / name).write_text(text)
    (docs.parent / ".git").mkdir()
    (docs.parent / ".gitignore").write_text("*.log\n/docs/draft.md\n")
    (docs / "sub" / ".guildhallignore").write_text("secret-*\n!kept.log\n")
    (docs / "link.md").symlink_to(tmp_path / "outside.md")
    (docs / "linked").symlink_to(tmp_path, target_is_directory=True)
    async with remembering() as memory:
        done = await memory.ingest("docs")
        hits = await memory.recall("crane", limit=50)
    assert {hit.record.source for hit in hits} == {"docs/keep.md", "docs/sub/draft.md", "docs/sub/kept.log"}
    assert done.problems == ()


async def test_a_file_that_is_ignored_is_read_when_it_is_named(docs: Path) -> None:
    (docs.parent / ".git").mkdir()
    (docs.parent / ".gitignore").write_text("docs/\n")
    (docs / "plan.md").write_text("The crane.")
    async with remembering() as memory:
        assert (await memory.ingest("docs/plan.md")).added == 1
        assert (await memory.ingest("docs")).same == 1


async def test_secrets_are_taken_out_or_their_files_refused_and_lines_stay_where_they_are(
    docs: Path, home: Path
) -> None:
    private = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAAAA\n-----END RSA PRIVATE KEY-----"
    (docs / "notes.md").write_text(
        f"The key is {KEY}.\n\n{private}\n\n{prose(3)}\n\n# Crane\n\nThe last line.\n"
    )
    (docs / ".env").write_text(f"TOKEN={KEY}")
    (docs / "id_rsa").write_text(private)
    (docs / "server.pem").write_text(private)
    (docs / "credentials.json").write_text('{"note": "nothing in it"}')
    async with remembering() as memory:
        done = await memory.ingest("docs")
        record = await best(memory, "crane last line")
    assert {problem.source: problem.why.partition(",")[0] for problem in done.problems} == {
        "docs/.env": "files of this name hold credentials",
        "docs/id_rsa": "files of this name hold credentials",
        "docs/server.pem": "it holds credentials: give a copy without them",
    }
    assert record.place == "lines 10-12, Crane"
    stored = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert KEY.encode() not in stored
    assert b"MIIEow" not in stored


Broken = dict[str, tuple[Callable[[], bytes], str]]
BROKEN: Broken = {
    "locked.pdf": (lambda: encrypted_pdf("secret"), "encrypted"),
    "cut.pdf": (lambda: pdf([prose(1)])[:300], "damaged"),
    "scan.pdf": (lambda: pdf(["", ""]), "no text"),
    "cut.docx": (lambda: docx([("", "crane")])[:400], "damaged"),
    "locked.xlsx": (lambda: b"\xd0\xcf\x11\xe0" + b"x" * 2_000, "encrypted"),
    "bad.ipynb": (lambda: b'{"cells": 7}', "no notebook"),
    "slides.pptx": (lambda: b"PK", "save it as PDF"),
    "big.txt": (lambda: b"crane " * 2_000_000, "12,000,000 bytes"),
}
HOSTILE: Broken = {
    "bomb.docx": (lambda: bomb(150), "more than 100,000,000 bytes"),
    "far.xlsx": (lambda: xlsx([("A1", ["crane"]), ("XFD1048576", ["x"])]), "1,000,000,000 bytes of memory"),
    "nested.docx": (
        lambda: docx([("", "crane")], extra={f"word/{n}.xml": b"" for n in range(10_001)}), "10,000 files"
    ),
}  # fmt: skip


@pytest.mark.parametrize("files", [BROKEN, pytest.param(HOSTILE, marks=pytest.mark.slow)])
async def test_what_cannot_be_read_is_refused_by_name_and_the_rest_is_read(files: Broken, docs: Path) -> None:
    for name, (made, _) in files.items():
        (docs / name).write_bytes(made())
    for name in ("a.md", "m.md", "z.md"):
        (docs / name).write_text(f"The crane of {name}.")
    async with remembering() as memory:
        done = await memory.ingest("docs")
        hits = await memory.recall("crane", limit=50)
        again = await memory.ingest("docs")
    assert {hit.record.source for hit in hits} == {"docs/a.md", "docs/m.md", "docs/z.md"}
    told = {problem.source.removeprefix("docs/"): problem.why for problem in done.problems}
    assert told.keys() == files.keys()
    for name, (_, why) in files.items():
        assert why in told[name]
    assert {problem.source: problem.why for problem in again.problems} == {
        f"docs/{name}": why for name, why in told.items()
    }


async def test_a_damaged_page_leaves_the_others(docs: Path) -> None:
    data = pdf([prose(1), "The blue valve.", prose(2)])
    (docs / "report.pdf").write_bytes(data.replace(b"(The blue valve.) Tj", b"(The blue valve  Tj"))
    async with remembering() as memory:
        await memory.ingest("docs")
        hits = await memory.recall("crane harbour ship week", limit=50)
    assert {"p. 1", "p. 3"} <= {hit.record.place for hit in hits}


async def test_what_takes_too_long_is_ended_and_what_comes_after_it_is_read(docs: Path, home: Path) -> None:
    (docs / "a.txt").write_text("The first crane.")
    (docs / "b.csv").write_text("crane,1\n" * 900_000)
    (docs / "c.txt").write_text("The last crane.")
    db = await asyncio.to_thread(Database, home / "guildhall.db")
    try:
        done = await ingest(
            db, docs, scope="shop", project=docs.parent, author=NOBODY,
            limits=Limits(seconds=0.02, processes=1),
        )  # fmt: skip
        hits = await Memory(db).recall("crane", scope="shop")
    finally:
        await asyncio.to_thread(db.close)
    assert [(one.source, one.why) for one in done.problems] == [
        ("docs/b.csv", "it takes longer than 0.02 seconds to read")
    ]
    assert {hit.record.source for hit in hits} == {"docs/a.txt", "docs/c.txt"}


async def test_two_at_once_keep_each_document_once(docs: Path) -> None:
    for number in range(12):
        (docs / f"{number}.md").write_text(f"The crane number {number}.")
    async with remembering() as one, remembering() as other:
        await asyncio.gather(one.ingest("docs"), other.ingest("docs"))
        hits = await one.recall("crane number", limit=50)
    assert len(hits) == 12


async def test_a_private_document_stays_private_until_it_is_said_otherwise(docs: Path) -> None:
    (docs / "a.md").write_text("The crane.")
    async with remembering() as memory:
        await memory.ingest("docs", private=True)
        (docs / "b.md").write_text("The other crane.")
        assert (await memory.ingest("docs")).same == 1
        assert [hit.record.private for hit in await memory.recall("crane")] == [True, True]
        assert (await memory.ingest("docs", private=False)).changed == 2
        assert [hit.record.private for hit in await memory.recall("crane")] == [False, False]


async def test_progress_is_told_and_again_reads_all(docs: Path) -> None:
    (docs / "a.md").write_text("The crane.")
    os.utime(docs / "a.md", (1e9, 1e9))
    told: list[Progress] = []
    async with remembering() as memory:
        await memory.ingest("docs", on_progress=told.append)
        assert told == [(0, 1, ""), (1, 1, "docs/a.md")]
        assert (await memory.ingest("docs", again=True)).changed == 1


async def test_documents_outside_of_the_project_are_called_by_their_whole_path(
    project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "a.md").write_text("The crane.")
    async with remembering() as memory:
        await memory.ingest(folder)
        hits = await memory.recall("crane", source=str(folder))
    assert [hit.record.source for hit in hits] == [f"{folder}/a.md"]


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 there")
async def test_a_name_that_is_no_text_is_read_all_the_same(docs: Path) -> None:
    (docs / os.fsdecode(b"\xff [old]\n.md")).write_text("The crane.")
    async with remembering() as memory:
        assert (await memory.ingest("docs")).added == 1
        (record,) = [hit.record for hit in await memory.recall("crane")]
        assert (await memory.ingest("docs")).same == 1
    assert record.label == "docs/\\udcff -old-.md:1"


async def test_more_than_a_project_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project))
    async with remembering() as memory:
        with pytest.raises(UserError, match="home folder"):
            await memory.ingest(project)


async def test_a_folder_that_cannot_be_looked_into_keeps_its_documents(docs: Path) -> None:
    (docs / "sub").mkdir()
    (docs / "sub" / "a.md").write_text("The crane.")
    with no_rights():
        async with remembering() as memory:
            await memory.ingest("docs")
            (docs / "sub").chmod(0)
            done = await memory.ingest("docs")
            (docs / "sub").chmod(0o700)
            assert len(await memory.recall("crane")) == 1
    assert (done.removed, [one.source for one in done.problems]) == (0, ["docs/sub"])


async def test_nothing_of_what_was_replaced_is_left_in_the_index(docs: Path, home: Path) -> None:
    (docs / "a.md").write_text("The zanzibar crane.")
    async with remembering() as memory:
        await memory.ingest("docs")
        (docs / "a.md").write_text("The quito crane.")
        await memory.ingest("docs")
        assert await memory.recall("zanzibar") == []
    with sqlite3.connect(home / "guildhall.db") as raw:
        assert raw.execute("SELECT count(*) FROM records").fetchone() == (1,)
        (scope,) = raw.execute("SELECT id FROM scopes").fetchone()
        raw.execute(f"INSERT INTO words_{scope} (words_{scope}, rank) VALUES ('integrity-check', 1)")
    raw.close()


@pytest.mark.parametrize("what", [{"source": "docs"}, {"before": 4e9}])
async def test_what_was_forgotten_of_documents_is_known_again_where_they_are_read_again(
    docs: Path, what: dict[str, Any]
) -> None:
    (docs / "a.md").write_text("The crane.")
    async with remembering() as memory:
        await memory.ingest("docs")
        await memory.forget(**what)
        assert await memory.recall("crane") == []
        assert (await memory.ingest("docs")).added == 1
        assert len(await memory.recall("crane")) == 1
