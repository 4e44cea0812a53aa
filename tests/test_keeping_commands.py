"""`guildhall memory ...`: what is kept is shown, carried and mended, and erased where that is confirmed."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from shell import data, done, guildhall

from guildhall.memory.minilm import FILES, minilm_folder

pytestmark = pytest.mark.usefixtures("project")


def remembered(text: str, *more: str) -> str:
    id_: str = data("remember", text, *more)["id"]
    return id_


def test_what_is_forgotten_is_asked_for_first() -> None:
    id_ = remembered("The harbour was closed in March.")
    refused = guildhall("memory", "forget", id_, stdin="n\n")
    assert (refused.exit_code, "Nothing was erased." in refused.stdout) == (0, True)
    assert "Erase 1 record for good?" in refused.stdout
    assert data("memory", "show", id_)["text"] == "The harbour was closed in March."
    assert "Erased 1 record." in done("memory", "forget", id_[:8], stdin="y\n")
    gone = guildhall("memory", "show", id_)
    assert gone.exit_code == 2
    assert "there is no memory" in gone.stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_where_nobody_can_be_asked_nothing_is_erased(options: tuple[str, ...]) -> None:
    id_ = remembered("The harbour was closed in March.")
    refused = guildhall("memory", "forget", id_, *options, stdin="")
    assert refused.exit_code == 2
    assert "say --yes" in refused.stderr
    assert data("memory", "stats")["records"] == 1
    assert data("memory", "forget", id_, "--yes")["records"] == 1


def test_a_look_erases_nothing() -> None:
    id_ = remembered("The harbour was closed in March.")
    assert data("memory", "forget", id_, "--dry-run")["records"] == 1
    assert "Would erase 1 record." in done("memory", "forget", id_, "--dry-run")
    assert data("memory", "stats")["records"] == 1


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "say what is to be forgotten"),
        (["ffff"], "there is no memory 'ffff'"),
        (["--source", "nowhere.md"], "nothing of that is remembered"),
        (["--run", "ffff"], "ffff"),
        (["--before", "yesterday"], "yesterday"),
    ],
)
def test_what_is_not_there_is_not_forgotten(given: list[str], why: str) -> None:
    remembered("The harbour was closed in March.")
    refused = guildhall("memory", "forget", *given, stdin="y\n")
    assert refused.exit_code == 2, refused.output
    assert why in refused.output
    assert data("memory", "stats")["records"] == 1


@pytest.mark.parametrize(
    "named", ["notes", "./notes/", "notes/a.md", "../project/notes", "{project}/notes/a.md"]
)
@pytest.mark.slow
def test_a_source_is_named_as_the_disk_names_it(project: Path, named: str) -> None:
    (project / "notes").mkdir()
    (project / "notes" / "a.md").write_text("# Harbour\n\nThe harbour was closed in March.\n")
    done("memory", "ingest", "notes")
    named = named.format(project=project)
    assert len(data("recall", "harbour", "--source", named)["hits"]) == 1
    assert data("memory", "forget", "--source", named, "--yes")["records"] == 1
    assert data("memory", "stats")["documents"] == 0


@pytest.mark.parametrize("options", [("--source", "nosuch"), ("--source", "nosuch", "--json")])
def test_a_source_that_is_not_known_is_no_success(options: tuple[str, ...]) -> None:
    remembered("The harbour was closed in March.")
    refused = guildhall("memory", "forget", *options, "--yes")
    assert refused.exit_code == 2
    assert "nothing of that is remembered" in refused.output
    assert done("memory", "forget", "--before", "2020-01-01", "--yes") == "Erased 0 records.\n"


def test_a_subject_tells_what_became_of_it() -> None:
    remembered("We use MySQL.", "--subject", "db.engine", "--kind", "decision")
    remembered("We use Postgres.", "--subject", "db.engine", "--kind", "decision")
    first, _, second, _ = done("memory", "timeline", "db.engine").splitlines()
    assert " until " in first
    assert second.endswith(", holds")
    for options in ((), ("--json",)):
        assert guildhall("memory", "timeline", "nothing", *options).exit_code == 2


def test_an_export_is_taken_in_and_one_that_was_changed_is_refused(tmp_path: Path) -> None:
    id_ = remembered("The harbour was closed in March.")
    path = tmp_path / "all.jsonl"
    assert "1 record written" in done("memory", "export", str(path))
    assert guildhall("memory", "export", str(path)).exit_code == 2
    assert data("memory", "import", str(path)) == {"new": 0, "known": 1, "quarantined": 0}
    done("memory", "forget", id_, "--yes")
    assert data("memory", "import", str(path))["new"] == 0
    path.write_text(path.read_text().replace("March", "April"))
    refused = guildhall("memory", "import", str(path), "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["error"]["code"]) == (2, "changed")


def test_a_backup_is_whole(tmp_path: Path) -> None:
    remembered("The harbour was closed in March.")
    done("memory", "backup", str(tmp_path / "copy.db"))
    with closing(sqlite3.connect(tmp_path / "copy.db")) as db:
        assert db.execute("SELECT text FROM records").fetchall() == [("The harbour was closed in March.",)]


def test_an_audit_tells_what_would_mend_it() -> None:
    remembered("ok then")
    told = done("memory", "audit")
    assert "junk" in told
    assert "1 finding; nothing was changed." in told


def test_a_sound_memory_is_built_anew() -> None:
    remembered("The harbour was closed in March.")
    assert data("memory", "rebuild")["problems"] == []
    assert len(data("recall", "harbour")["hits"]) == 1


def test_the_file_of_an_embedder_that_is_there_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    minilm_folder().mkdir(parents=True)
    for name in FILES:
        (minilm_folder() / name).write_text("there")
    result = guildhall("memory", "rebuild", "--fetch")
    assert result.exit_code == 0, result.output
    assert f"MiniLM is in {minilm_folder()}" in result.stderr


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.slow
def test_a_damaged_file_is_saved_as_far_as_it_can_be_read(home: Path, whole: bool) -> None:
    for number in range(60):
        remembered(f"Chair number {number} is brown. " * 20)
    path = home / "guildhall.db"
    content = bytearray(path.read_bytes())
    if whole:
        path.write_bytes(b"no database at all, " * 500)
    else:
        middle = len(content) // 2 // 4096 * 4096
        content[middle : middle + 4096] = b"\xff" * 4096
        path.write_bytes(content)
    result = guildhall("memory", "rebuild")
    if whole:
        assert (result.exit_code, path.read_bytes()[:18]) == (1, b"no database at all")
        assert "restore a backup" in result.stderr
        return
    assert result.exit_code == 0, result.output
    assert "rows were saved" in result.stdout
    assert len(data("recall", "brown chair", "--limit", "200")["hits"]) > 20
    assert data("memory", "rebuild")["problems"] == []
