"""Files and folders that are odd in themselves are read as they are shown, and cost the others nothing."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from papers import xlsx

from guildhall.errors import UserError
from guildhall.memory.ingest import kept, pool
from guildhall.memory.ingest.sync import Progress
from guildhall.memory.memory import Memory


@pytest.fixture
def docs(project: Path) -> Path:
    folder = project / "docs"
    folder.mkdir()
    return folder


async def read(docs: Path, files: dict[str, str | bytes]) -> list[str]:
    """What memory holds of each of the files."""
    for name, content in files.items():
        (docs / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    async with Memory.open() as memory:
        assert (await memory.ingest("docs")).problems == ()
        found = [await memory.search("", sort="recent", source=f"docs/{name}", limit=50) for name in files]
    return ["\n".join(hit.record.text for hit in one.hits) for one in found]


async def test_a_folder_that_is_too_deep_is_named_and_the_rest_is_read(docs: Path) -> None:
    deep = docs
    for _ in range(120):
        deep /= "d"
        deep.mkdir()
    (deep / "deep.md").write_text("The deep crane.")
    (docs / "e.md").write_text("The crane.")
    async with Memory.open() as memory:
        done = await memory.ingest("docs")
        assert [hit.record.text for hit in await memory.recall("crane")] == ["The crane."]
    [problem] = done.problems
    assert problem.source == "docs" + "/d" * 100
    assert "more than 100 folders deep" in problem.why


async def test_what_follows_an_element_that_is_not_closed_is_read(docs: Path) -> None:
    page = (
        "<body><style>p {{}}</style><{}><a>Home</a><div><h1>Main</h1><p>The turbine spins.</p></div></body>"
    )
    tags = ("nav", "svg", "object", "template", "noscript")
    for text in await read(docs, {f"{tag}.html": page.format(tag) for tag in tags}):
        assert text.endswith("# Main\n\nThe turbine spins.")
        assert "{}" not in text


async def test_of_elements_that_are_closed_none_is_read_beside_one_that_is_not(docs: Path) -> None:
    page = "<nav><a>Home</a></nav><svg><p>The turbine spins.<nav>Next</nav>"
    assert await read(docs, {"page.html": page}) == ["The turbine spins."]


async def test_a_table_that_begins_late_has_its_head_once_in_each_part(docs: Path) -> None:
    rows: list[list[object]] = [["item", "count"], ["flange", 12], *([f"pump {n}", n] for n in range(300))]
    table = "\n\n\n" + "\n".join(f"{item},{count}" for item, count in rows)
    book = xlsx([(f"A{at}", row) for at, row in enumerate(rows, 4)])
    for text in await read(docs, {"late.csv": table, "late.xlsx": book}):
        assert text.count("flange") == 1
        assert text.count("item | count") > 1
        assert "item | count\nitem | count" not in text


OLD = [
    ("Größe;Öl\n5;Ä", "cp1252"),
    ("Le café est fermé à midi, près de la forêt où l'élève a étudié hier. " * 20, "cp1252"),
    ("El niño pequeño comió mañana: ¿qué más?", "cp1252"),
    ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "cp1250"),
    ("Árvíztűrő tükörfúrógép: a hajó holnap érkezik.", "cp1250"),
    ("Привет, мир. Корабль прибудет завтра утром.", "cp1251"),
    ("Привет, мир. Корабль прибудет завтра утром.", "koi8_r"),
    ("Το πλοίο φτάνει αύριο το πρωί στο λιμάνι.", "cp1253"),  # noqa: RUF001  it is Greek
    ("船は明日の朝、港に着きます。名前を書いてください。", "shift_jis"),
    ('<?xml version="1.0" encoding="koi8-r"?>\nДом', "koi8_r"),  # noqa: RUF001  it is Russian
    ("# -*- coding: iso-8859-2 -*-\n# Łódź ą", "iso8859_2"),
]


async def test_an_old_encoding_is_told_even_of_a_short_text(docs: Path) -> None:
    files: dict[str, str | bytes] = {
        f"{number}.txt": text.encode(encoding) for number, (text, encoding) in enumerate(OLD)
    }
    assert await read(docs, files) == [text.strip() for text, _ in OLD]


async def test_a_page_says_what_it_is_encoded_in(docs: Path) -> None:
    page = '<meta charset="iso-8859-2"><p>Łódź świeci'.encode("iso8859_2")
    assert await read(docs, {"page.html": page}) == ["Łódź świeci"]


async def test_what_is_private_stays_so_and_makes_nothing_else_private(docs: Path) -> None:
    (docs / "hr").mkdir()
    for name in ("canteen.md", "hr/pay.md"):
        (docs / name).write_text("The crane.")
    async with Memory.open() as memory:
        await memory.ingest("docs")
        await memory.ingest("docs/hr", private=True)
        (docs / "hr" / "new").mkdir()
        for name in ("menu.md", "hr/new/bonus.md"):
            (docs / name).write_text("The crane.")
        assert (await memory.ingest("docs")).changed == 0
        assert await private(memory) == {"docs/hr/pay.md", "docs/hr/new/bonus.md"}
        (docs / "hr" / "late.md").write_text("The crane.")
        await memory.ingest("docs/hr/late.md")
        assert "docs/hr/late.md" in await private(memory)
        await memory.ingest("docs", private=False)
        assert await private(memory) == set()


async def test_what_is_said_to_be_private_while_it_is_read_is_so(docs: Path, home: Path) -> None:
    (docs / "a.md").write_text("The crane.")

    def say(progress: Progress) -> None:
        if not progress.done:
            with closing(sqlite3.connect(home / "guildhall.db")) as other:
                [(scope,)] = other.execute("SELECT name FROM scopes").fetchall()
                kept.say_private(other, scope, "docs", True)
                other.commit()

    async with Memory.open() as memory:
        await memory.remember("The harbour is deep.")
        await memory.ingest("docs", on_progress=say)
        assert await private(memory) == {"docs/a.md"}
        await memory.ingest("docs")
        assert await private(memory) == {"docs/a.md"}
        await memory.ingest("docs", private=False)
        assert await private(memory) == set()


async def private(memory: Memory) -> set[str]:
    return {hit.record.source for hit in await memory.recall("crane", limit=50) if hit.record.private}


async def test_a_process_that_says_what_is_no_answer_is_ended(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "a.md").write_text("The crane.")
    monkeypatch.setattr(pool, "_LONGEST_ANSWER", 20)
    async with Memory.open() as memory:
        [problem] = (await memory.ingest("docs")).problems
    assert "breaks its reader" in problem.why


async def test_what_changes_within_the_same_moment_is_read_again(docs: Path) -> None:
    file = docs / "a.md"
    file.write_text("The red crane.")
    async with Memory.open() as memory:
        await memory.ingest("docs")
        about = file.stat()
        file.write_text("The tan crane.")
        os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
        assert (await memory.ingest("docs")).changed == 1
        assert [hit.record.text for hit in await memory.recall("crane")] == ["The tan crane."]


async def test_a_link_that_comes_in_between_is_not_followed(docs: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    for folder in (docs / "b", outside):
        folder.mkdir()
        (folder / "a.md").write_text(f"The crane of {folder.name}.")
    (docs / "a.md").write_text("The crane.")

    def swap(progress: Progress) -> None:
        if progress.done == 1:
            (docs / "b").rename(tmp_path / "b")
            (docs / "b").symlink_to(outside, target_is_directory=True)

    async with Memory.open() as memory:
        done = await memory.ingest("docs", on_progress=swap)
        assert [hit.record.text for hit in await memory.recall("crane")] == ["The crane."]
    assert [problem.source for problem in done.problems] == ["docs/b/a.md"]


async def test_a_document_that_leaves_takes_nothing_along_that_was_said_of_it(docs: Path) -> None:
    (docs / "a.md").write_text("The crane.")
    async with Memory.open() as memory:
        await memory.ingest("docs")
        await memory.remember("The crane of a.md is old.", session="file:docs/a.md")
        (docs / "a.md").unlink()
        assert (await memory.ingest("docs")).removed == 1
        assert [hit.record.text for hit in await memory.recall("crane")] == ["The crane of a.md is old."]


async def test_a_folder_around_the_project_holds_the_project_s_own_files_too(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = project / "inner" / "docs"  # what is around the other one holds the user's own folder
    docs.mkdir(parents=True)
    (docs.parent / ".guildhall").mkdir()
    monkeypatch.chdir(docs.parent)
    (docs / "a.md").write_text("The crane.")
    (docs / "b.md").write_text("The crane.")
    async with Memory.open() as memory:
        await memory.ingest(docs.parent.parent, private=True)
        assert await private(memory) == {"docs/a.md", "docs/b.md"}
        (docs / "b.md").unlink()
        assert (await memory.ingest(docs.parent.parent)).removed == 1
        assert await private(memory) == {"docs/a.md"}


async def test_documents_are_private_as_soon_as_that_is_said(docs: Path) -> None:
    (docs / "a.md").write_text("The crane.")

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    async with Memory.open() as memory:
        await memory.ingest("docs")
        with pytest.raises(KeyboardInterrupt):
            await memory.ingest("docs", private=True, on_progress=stop)
        assert await private(memory) == {"docs/a.md"}


async def test_documents_are_called_by_their_paths_in_the_project_of_the_memory(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "a.md").write_text("The crane.")
    project = docs.parent
    (project.parent / "elsewhere").mkdir()
    monkeypatch.chdir(project.parent / "elsewhere")
    async with Memory.open(project) as memory:
        await memory.ingest(docs, private=True)
        assert await private(memory) == {"docs/a.md"}


@pytest.mark.parametrize("path", ["~nobody_of_that_name/x", "d" * 5_000, "a\0b"])
async def test_what_is_no_path_is_refused_in_words(docs: Path, path: str) -> None:
    async with Memory.open() as memory:
        with pytest.raises(UserError, match="is no path"):
            await memory.ingest(path)
