"""What a team may read of the disk, and what it never gets to see."""

import builtins
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from guildhall.agents.run import Run
from guildhall.agents.state import RunState
from guildhall.agents.tool import ToolContext
from guildhall.agents.tools import files
from guildhall.agents.tools.files import Roots, file_tools
from guildhall.errors import Failure, NameUnknown, PathRefused, UserError

CASES = json.loads((Path(__file__).parent / "data" / "bad_inputs.json").read_text("utf-8"))
PATHS = [case for case in CASES if case["kind"] == "path"]
SECRET = "the secret word is heron"


@pytest.fixture(params=["descriptors", "checks"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that is odd, opened in the way of each kind of system."""
    if request.param == "checks":
        monkeypatch.setattr(files, "_OPENS_BELOW_A_FOLDER", False)
    root = tmp_path / "root"
    for folder in ("root/sub", "root/.git", "root/node_modules", "root2"):
        (tmp_path / folder).mkdir(parents=True)
    for place in ("secret", "root2/secret", "root/.env", "root/sub/ID_RSA", "root/.git/config"):
        (tmp_path / place).write_text(SECRET)
    (root / "ok.txt").write_text("fine")
    (root / "sub" / "a.md").write_text("first\n\nthird, about a Crane\n")
    (root / "sub" / "\uff12\u7ae0\uff08\u6848\uff09.md").write_text("fine")
    (root / "binary.md").write_bytes(b"\x89PNG\r\n\x1a\n\0\0crane")
    (root / "huge.md").write_text("crane\n" * 200_000)
    (root / "node_modules" / "b.md").write_text("crane")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "linked").symlink_to(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "pipe")
    return root


@pytest.mark.parametrize("case", PATHS, ids=lambda case: f"{case['id']} {case['why']}")
def test_a_path_is_read_or_refused(case: dict[str, Any], root: Path) -> None:
    name = eval(case["python"], {"__builtins__": builtins}) if "python" in case else case["text"]
    if "error" not in case:
        assert "fine" in Roots({"root": root}).read(name)
        return
    with pytest.raises(PathRefused) as refused:
        Roots({"root": root}).read(name)
    assert [refused.value.code] == case["error"]
    assert SECRET not in str(refused.value)
    str(refused.value).encode()  # it can be shown


def test_lines_are_read_behind_their_numbers(root: Path) -> None:
    below = Roots({"root": root})
    assert below.read("sub/a.md") == "sub/a.md, lines 1 to 3 of 3\n1: first\n\n3: third, about a Crane"
    assert below.read("root/sub/a.md") == below.read("sub/a.md")
    assert below.read("sub/a.md", first_line=3).endswith("of 3\n3: third, about a Crane")
    assert below.read("sub/a.md", lines=1).endswith("1: first\n(read on with first_line=2)")
    assert below.read("sub/a.md", first_line=9) == "sub/a.md has 3 lines; there is no line 9"


def test_a_long_file_is_read_in_parts_that_miss_nothing(root: Path) -> None:
    lines = [f"line {number} " + "x" * 500 for number in range(1, 1_001)]
    (root / "long.md").write_text("\n".join(lines))
    below, seen, first = Roots({"root": root}), "", 1
    while first <= 1_000:
        _, *shown = below.read("long.md", first_line=first, lines=2_000).splitlines()
        shown = [line for line in shown if not line.startswith("(read on")]
        assert shown
        seen += "\n".join(line.partition(": ")[2] for line in shown) + "\n"
        first += len(shown)
    assert seen.splitlines() == lines


def test_a_line_that_is_too_long_is_cut_and_said_to_be(root: Path) -> None:
    (root / "one.md").write_text("x" * 60_000)
    assert Roots({"root": root}).read("one.md").endswith("more characters]")


def test_of_several_folders_one_is_named(root: Path) -> None:
    below = Roots({"docs": root / "sub", "all": root})
    assert below.read("docs/a.md").startswith("docs/a.md, lines")
    assert below.read("all/sub/a.md").startswith("all/sub/a.md, lines")
    with pytest.raises(PathRefused, match="no known folder; there are: docs, all"):
        below.read("a.md")
    with pytest.raises(PathRefused):
        below.read("docs")


def test_a_folder_called_as_its_root_can_be_read(root: Path) -> None:
    (root / "root").mkdir()
    (root / "root" / "c.md").write_text("inner")
    assert "inner" in Roots({"root": root}).read("root/c.md")


def test_a_folder_with_a_name_that_no_path_could_have_is_refused(root: Path) -> None:
    with pytest.raises(UserError):
        Roots({"a/b": root})


def test_lines_are_found_by_words_in_any_case(root: Path) -> None:
    (root / "z.md").write_text("nothing\nABOUT the crane's nest\n")
    found = Roots({"root": root}).search("Crane about nest")
    assert found == ["z.md:2: ABOUT the crane's nest", "sub/a.md:3: third, about a Crane"]
    assert Roots({"root": root}).search("crane about", limit=1) == ["sub/a.md:3: third, about a Crane"]
    assert Roots({"docs": root / "sub", "all": root}).search("crane", root="docs") == [
        "docs/a.md:3: third, about a Crane"
    ]


def test_a_search_never_shows_what_cannot_be_read(root: Path) -> None:
    assert Roots({"root": root}).search("heron secret") == []


def test_what_is_found_can_be_read(root: Path) -> None:
    for below in (Roots({"root": root}), Roots({"docs": root / "sub", "all": root})):
        for hit in below.search("fine crane"):
            path, line, text = hit.split(":", 2)
            assert f"{line}:{text}" in below.read(path)


def test_a_long_line_is_shown_around_the_word(root: Path) -> None:
    (root / "one.md").write_text("x " * 5_000 + "pelican" + " y" * 5_000)
    [found] = Roots({"root": root}).search("pelican")
    assert "pelican" in found
    assert len(found) < 350


def test_a_search_needs_words_and_a_folder_that_is_there(root: Path) -> None:
    with pytest.raises(UserError, match="no words"):
        Roots({"root": root}).search(" ")
    with pytest.raises(NameUnknown, match="no folder 'rot'; did you mean root"):
        Roots({"root": root}).search("crane", root="rot")


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_link_that_appears_between_two_steps_is_not_followed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    (root / "flip").mkdir()
    (root / "flip" / "secret").write_text("fine")
    calls, really_open = 0, os.open

    def slow_open(*args: Any, **options: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == moment:
            (root / "flip").rename(root / "aside")
            (root / "flip").symlink_to(tmp_path)
        return really_open(*args, **options)

    monkeypatch.setattr(os, "open", slow_open)
    try:
        seen = Roots({"root": root}).read("flip/secret")
    except PathRefused as refused:
        seen = str(refused)
    assert calls
    assert SECRET not in seen


@pytest.mark.skipif(not files._OPENS_BELOW_A_FOLDER, reason="the system cannot open below a folder")
def test_a_folder_that_turns_into_a_link_while_it_is_read_leaks_nothing(tmp_path: Path) -> None:
    root, flip, aside = tmp_path / "root", tmp_path / "root" / "flip", tmp_path / "root" / "aside"
    flip.mkdir(parents=True)
    (flip / "note").write_text("fine")
    (tmp_path / "note").write_text(SECRET)

    def turn() -> None:
        for _ in range(150):
            flip.rename(aside)
            flip.symlink_to(tmp_path)
            flip.unlink()
            aside.rename(flip)

    turning, below = threading.Thread(target=turn), Roots({"root": root})
    turning.start()
    seen = set()
    while turning.is_alive():
        try:
            seen.add(below.read("flip/note"))
        except PathRefused:
            seen.add("refused")
    turning.join()
    assert SECRET not in "\n".join(seen)
    assert "fine" in below.read("flip/note")


async def test_a_model_reads_and_searches_by_tools_and_what_it_read_can_be_cited(root: Path) -> None:
    tools = {tool.name: tool for tool in file_tools({"root": root})}
    run = Run(RunState(id="run"))
    read = await tools["read_file"].call({"path": "sub/a.md", "first_line": 3}, ToolContext(run))
    assert read == "sub/a.md, lines 3 to 3 of 3\n3: third, about a Crane"
    shown = [part for quote in run.state.shown["sub/a.md"] for part in quote.paragraphs()]
    assert shown == [("sub/a.md:3", "third, about a Crane")]
    found = await tools["search_files"].call({"words": "crane"}, ToolContext(run))
    assert found == "sub/a.md:3: third, about a Crane"
    assert await tools["search_files"].call({"words": "ostrich"}, ToolContext(run)) == "nothing found"
    assert all(tool.risk == "read" and tool.description for tool in tools.values())


@pytest.mark.parametrize("arguments", [{}, {"path": ""}, {"path": "ok.txt", "first_line": 0}, {"path": 5}])
async def test_a_model_is_told_which_arguments_do_not_fit(root: Path, arguments: dict[str, Any]) -> None:
    [read_file, _] = file_tools({"root": root})
    with pytest.raises(Failure, match="the arguments do not fit"):
        await read_file.call(arguments, ToolContext(Run(RunState(id="run"))))
