"""`guildhall memory ingest` reads documents, says what it could not read, and goes on watching."""

import json
import signal
from pathlib import Path

import pytest
from papers import pdf
from shell import data, done, guildhall, started

pytestmark = pytest.mark.usefixtures("harbour")


def test_a_folder_is_read_and_what_it_says_is_recalled_with_its_place(harbour: Path) -> None:
    (harbour / "papers").mkdir()
    (harbour / "papers" / "tides.pdf").write_bytes(
        pdf(["Low tide.", "Spring tides come with the full moon."])
    )
    assert (
        done("memory", "ingest", "papers", "notes.md")
        == "papers: 1 new (2 parts)\nnotes.md: 1 new (1 part)\n"
    )
    (again,) = data("memory", "ingest", "papers")["ingested"]
    assert (again["path"], again["same"], again["added"], again["problems"]) == ("papers", 1, 0, [])
    hit = data("recall", "full", "moon")["hits"][0]
    assert (hit["label"], hit["place"]) == ("papers/tides.pdf:p-2", "p. 2")


def test_what_could_not_be_read_is_named_and_fails_only_where_it_was_asked_for(harbour: Path) -> None:
    (harbour / "papers").mkdir()
    (harbour / "papers" / "cut.pdf").write_bytes(b"%PDF-1.4")
    (harbour / "papers" / ".env").write_text("TOKEN=1")
    folder = guildhall("memory", "ingest", "papers")
    assert (folder.exit_code, folder.stdout) == (0, "papers: nothing to read\n")
    assert "papers/cut.pdf: it is damaged" in folder.stderr
    assert "papers/.env: files of this name hold credentials" in folder.stderr
    file = guildhall("memory", "ingest", "papers/cut.pdf")
    assert file.exit_code == 1
    assert "Traceback" not in file.output


@pytest.mark.parametrize("path", ["nowhere", "~"])
def test_a_path_that_cannot_be_read_is_bad_input(path: str) -> None:
    result = guildhall("memory", "ingest", path, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "invalid_input"


@pytest.mark.slow
def test_watching_tells_of_each_change_until_it_is_interrupted(harbour: Path) -> None:
    process = started("memory", "ingest", "notes.md", "--watch")
    assert process.stdout is not None
    assert process.stdout.readline() == "notes.md: 1 new (1 part)\n"
    (harbour / "notes.md").write_text("The harbour is open.\n")
    assert process.stdout.readline() == "notes.md: 1 changed (1 part)\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
