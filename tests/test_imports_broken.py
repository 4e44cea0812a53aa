"""Whatever lies where other assistants have their agents is used, or said to be unusable."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from importing import CORPUS, agent, by_name, put, settle, specialist

from guildhall.agents.discovery import Library
from guildhall.agents.foreign import codex, crewai, markdown
from guildhall.agents.foreign.imported import Imported
from guildhall.agents.hidden import find_hidden
from guildhall.agents.spec_types import NAME
from guildhall.agents.specs import read_specialist
from guildhall.errors import FileError


@pytest.fixture
def library(project: Path, home: Path) -> Library:
    return Library(project, home)


def alone(library: Library, project: Path, data: bytes) -> Imported:
    put(project, ".claude/agents/odd.md", data)
    (one,) = library.imports()
    return one


def bomb() -> bytes:
    """Lists of lists by aliases, of which the last would have three to the power of twenty parts."""
    first, *letters = list("abcdefghijklmnopqrst")
    lines = [f"{first}: &{first} [x, x, x]"]
    lines += [f"{b}: &{b} [*{a}, *{a}, *{a}]" for a, b in zip([first, *letters], letters, strict=False)]
    return ("---\nname: bomb\n" + "\n".join(lines) + "\ndescription: A bomb\n---\nBody\n").encode()


def text(head: str, body: str = "Be good.") -> bytes:
    return f"---\nname: odd\n{head}\n---\n{body}\n".encode()


ODD: dict[str, bytes] = {
    "crlf": agent("odd").replace("\n", "\r\n").encode(),
    "cr": agent("odd").replace("\n", "\r").encode(),
    "bom": b"\xef\xbb\xbf" + agent("odd").encode(),
    "utf-16": agent("odd").encode("utf-16"),
    "latin-1": agent("odd", body="Soyez bref, s'il vous plaît.").encode("latin-1"),
    "blank lines above": b"\n\n  \n" + agent("odd").encode(),
    "hidden": agent("odd", body="Be\u200b good\u202e.\U000e0041").encode(),
    "nested deep": text("tools: " + "[" * 5_000 + "]" * 5_000),
    "opened deep": text("tools: " + "{a: " * 5_000),
    "bomb": bomb(),
    "merge": text("base: &b {x: 1}\nmore:\n  <<: *b"),
    "two documents": text("...\nname: other"),
    "object": text("model: !!python/object/apply:os.system ['exit 3']"),
    "many keys": text("\n".join(f"key{n}: x: y" for n in range(3_000))),
    "many digits": text(f"maxTurns: {'9' * 5_000}"),
    "no end": b"---\nname: odd\ndescription: It has no end\ntools: [Read",
    "keys of numbers": text("1: 2\n2: 3\ntrue: false"),
    "a list": b"---\n- name\n- odd\n---\nBe good.\n",
    "a line": b"---\njust words\n---\nBe good.\n",
    "long": text("description: " + "word " * 5_000),
    "long line": agent("odd", body="x" * 200_000).encode(),
    "comments": text("# a comment\n#another: one"),
    "a quotation mark": text('description: "It never ends'),
    "escapes": text('description: "\\uD800 \\u202e \\x00 \\UFFFFFFFF"'),
    "surrogates": b"---\nname: odd\n---\n\xed\xa0\x80 body\n",
    "html": b"<!DOCTYPE html><html><body>404</body></html>",
    "json": b'{"name": "odd", "tools": ["Read"]}',
    "code": b"````md\n---\nname: odd\n---\nBe good.\n````\nand more\n",
    "only a fence": b"---",
    "fences": b"---\n" * 500,
}


@pytest.mark.parametrize("what", ODD)
def test_odd_files_are_used_for_what_they_mean(what: str, library: Library, project: Path) -> None:
    one = alone(library, project, ODD[what])
    if what == "only a fence":
        assert one.problem
        return
    spec = specialist(one)
    assert (one.problem, spec.name) == ("", one.name)
    assert find_hidden(spec.instructions + spec.description) is None
    assert library.specialist(spec.name) == spec


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "there are no instructions"),
        (b"---\n---\n", "there are no instructions"),
        (b"\x00\x01\x02", "zero bytes"),
        (b"\xff\xfea", "begins as UTF-16"),
        (b"x" * 300_000, "more than 256,000 bytes"),
        (agent("odd", disabled="true").encode(), "says that it is disabled"),
        ("\u200b\u202e".encode(), "there are no instructions"),
    ],
)
def test_what_cannot_be_used_is_listed_with_the_reason_and_never_as_a_specialist(
    data: bytes, why: str, library: Library, project: Path
) -> None:
    assert why in alone(library, project, data).problem
    assert {found.origin for found in library.specialists()} == {"built-in"}


def test_encodings_and_what_was_taken_out_are_told(library: Library, project: Path) -> None:
    for what, note in {
        "latin-1": "it is not UTF-8, and was read as Windows-1252",
        "utf-16": "it is UTF-16, and was read as that",
        "hidden": "3 hidden characters were taken out of the text",
        "code": "all of it stands in a block of code, which was opened",
    }.items():
        assert note in alone(library, project, ODD[what]).notes
    assert "s'il vous plaît" in specialist(alone(library, project, ODD["latin-1"])).instructions


def test_nothing_in_a_file_is_run(library: Library, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError(args)

    for name in ("system", "popen", "posix_spawn", "fork"):
        monkeypatch.setattr(os, name, refuse, raising=False)
    settle(project)
    put(project, ".claude/agents/object.md", ODD["object"])
    assert library.specialist("echo-owned").description


def test_our_own_files_are_read_as_strictly_as_ever() -> None:
    for file in sorted(CORPUS.glob("claude/*.md")):
        try:
            read_specialist(file)
        except FileError:
            continue
        assert file.name in ("no-tools-named.md", "tools-off.md")


def test_one_broken_file_hides_none_of_the_others(library: Library, project: Path) -> None:
    for number, data in enumerate(ODD.values()):
        put(project, f".claude/agents/odd-{number}.md", data)
        put(project, f".codex/agents/odd-{number}.toml", data)
        put(project, f".claude/skills/odd-{number}/SKILL.md", data)
        put(project, f"src/odd{number}/config/agents.yaml", data)
        put(project, f"src/odd{number}/config/tasks.yaml", data)
    put(project, ".claude/agents/good.md", agent("good"))
    assert "good" in by_name(library)
    assert len(library.imports()) >= 4 * len(ODD) + 1
    assert [found.name for found in library.specialists() if found.error] == []


HEADS = st.sampled_from(
    ["---\n", "name: x\n", "name:", "description: ", "tools: [", "]", "- ", "model: ", "<example>", "\\n",
     "\t", "  ", "\n", "&a ", "*a", "!!x ", "|\n", ">\n", '"', "'", "{", "}", "#", ": ", "role: ", "goal: ",
     "a:\n", "agent: a\n", "context: [a]\n", "expected_output: ", "```\n", "\u200d", "\ufe0f", "é", "=",
     '"""', "'''", "developer_instructions = ", "[a.b]\n", "Read", "Bash(x", ")"]
)  # fmt: skip
FILES = st.one_of(
    st.binary(max_size=400),
    st.lists(st.one_of(HEADS, st.text(max_size=8)), max_size=40).map(
        lambda parts: "".join(parts).encode("utf-8", "surrogatepass")
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FILES, st.one_of(st.none(), FILES), st.text(max_size=20))
def test_no_bytes_make_a_reader_raise_and_all_it_makes_is_valid(
    data: bytes, more: bytes | None, called: str
) -> None:
    read_by_all(data, more, called)


@pytest.mark.slow
@settings(max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FILES, st.one_of(st.none(), FILES), st.text(max_size=20))
def test_no_bytes_of_very_many_make_a_reader_raise(data: bytes, more: bytes | None, called: str) -> None:
    read_by_all(data, more, called)


def read_by_all(data: bytes, more: bytes | None, called: str) -> None:
    """Whatever the readers make of it is valid by our own rules."""
    found = [
        markdown.agent("claude", data, called), markdown.agent("skill", data, called),
        codex.agent(data, called), *crewai.crew(data, more, called),
    ]  # fmt: skip
    assert all((one.spec is None) == bool(one.problem) for one in found)
    for one in found:
        if one.spec:
            assert NAME.fullmatch(one.spec.name)
            assert find_hidden(one.spec.model_dump_json()) is None
            type(one.spec).model_validate(one.spec.model_dump(exclude_unset=True))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_files_that_are_damaged_anywhere_make_no_reader_raise(data: st.DataObject) -> None:
    files = sorted(path for path in CORPUS.rglob("*") if path.suffix in (".md", ".toml", ".yaml"))
    content = data.draw(st.sampled_from(files)).read_bytes()
    start = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 60))
    damaged = content[:start] + data.draw(st.binary(max_size=30)) + content[start + length :]
    markdown.agent("copilot", damaged, "x")
    codex.agent(damaged, "x")
    crewai.crew(damaged, damaged, "x")
