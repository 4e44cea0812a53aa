"""What `guildhall init` does to files: all but the server's entry stays as it is, byte for byte."""

import json
import stat
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from host_configs import BROKEN, NASTY, file_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shell import data, guildhall

from guildhall.cli.configs import jsonc, plans
from guildhall.cli.configs.files import Steps
from guildhall.hosts import UVX, entry, host_named

pytestmark = pytest.mark.usefixtures("user")
VSCODE, CURSOR = host_named("vscode"), host_named("cursor")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow if "mega" in kind else ()) for kind in NASTY]
)
@pytest.mark.parametrize("host", [VSCODE, CURSOR], ids=["inputs", "no inputs"])
def test_adding_and_removing_leaves_every_byte_as_it_was(
    host: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    before, path = _text(kind, host.key), file_of(host.name)
    if before is not None:
        _write(path, before)

    assert _only("--host", host.name, "--yes")["status"] == "added"
    after = path.read_bytes().decode()
    said = jsonc.parse(after.removeprefix("\ufeff"))
    assert said[host.key]["guildhall"]["command"]
    assert ("inputs" in said) is (host is VSCODE)
    assert "sk-secret" not in after
    assert _is_within(before or "", after)
    assert _only("--host", host.name, "--yes")["status"] == "unchanged"
    assert path.read_bytes().decode() == after

    assert _only("--host", host.name, "--remove", "--yes")["status"] == "removed"
    assert (path.read_bytes().decode() if path.exists() else None) == before
    assert _only("--host", host.name, "--remove", "--yes")["status"] == "unchanged"


@pytest.mark.parametrize("kind", sorted(NASTY.keys() - {"missing", "a megabyte"}))
@pytest.mark.parametrize("host", [VSCODE, CURSOR], ids=["inputs", "no inputs"])
def test_where_the_file_has_changed_since_the_entry_alone_is_taken_out(
    host: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    before, path = _text(kind, host.key) or "", file_of(host.name)
    _write(path, before)
    _only("--host", host.name, "--yes")
    _write(path, f"{path.read_bytes().decode()}\n// a word of the user\n")

    assert _only("--host", host.name, "--remove", "--yes")["status"] == "removed"
    left = path.read_bytes().decode()
    assert left.endswith("\n// a word of the user\n")
    assert "guildhall" not in left
    assert _said(left, host.key) == _said(before, host.key)
    assert _comments(left) == [*_comments(before), "// a word of the user"]


def test_a_new_file_goes_even_if_its_host_has_written_it_anew() -> None:
    path = file_of("cursor")
    _only("--host", "cursor", "--yes")
    path.write_text(json.dumps(json.loads(path.read_text())))

    _only("--host", "cursor", "--remove", "--yes")
    assert not path.parent.exists()


def test_a_kept_file_that_was_changed_is_not_put_back() -> None:
    path = file_of("cursor")
    _write(path, '{"mine": 1}')
    Path(_only("--host", "cursor", "--yes")["backup"]).write_text("not mine")

    _only("--host", "cursor", "--remove", "--yes")
    assert json.loads(path.read_text()) == {"mine": 1}


def test_the_entry_stands_below_the_comment_on_what_is_before_it() -> None:
    path = file_of("cursor")
    _write(path, '{\n  "mcpServers": {\n    "a": {} // about a\n    // below\n  }\n}\n')
    _only("--host", "cursor", "--yes")

    assert '    "a": {}, // about a\n    "guildhall": {\n      "command":' in path.read_text()
    assert path.read_text().endswith("    }\n    // below\n  }\n}\n")


def test_a_key_that_is_there_twice_is_named() -> None:
    _write(file_of("cursor"), '{"mcpServers": {}, "mcpServers": {}}')
    assert "mcpServers is there 2 times" in guildhall("init", "--host", "cursor", "--yes").stdout


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_cannot_be_read_is_named_and_left_as_it_is(kind: str, home: Path) -> None:
    text, path = BROKEN[kind].replace("KEY", CURSOR.key), file_of("cursor")
    _write(path, text)

    done = guildhall("init", "--host", "cursor", "--yes", "--json")
    assert done.exit_code == 1
    (row,) = json.loads(done.stdout)["hosts"]
    assert row["status"] == "refused"
    assert row["why"]
    assert path.read_bytes().decode() == text
    assert not (home / "hosts").exists()
    assert str(path) in guildhall("init", "--host", "cursor", "--yes").stdout


@pytest.mark.parametrize("raw", [b"\xff\xfe{\x00}\x00", b'{"a": "\xe9"}', b"\x00\x00"])
def test_a_file_that_is_not_utf8_is_left_as_it_is(raw: bytes) -> None:
    path = file_of("cursor")
    path.parent.mkdir(parents=True)
    path.write_bytes(raw)

    assert guildhall("init", "--host", "cursor", "--yes").exit_code == 1
    assert path.read_bytes() == raw


def test_a_broken_file_of_one_host_does_not_keep_others_from_being_done(
    all_hosts: Callable[[], dict[str, bytes | None]],
) -> None:
    _write(file_of("cursor"), "{")

    done = guildhall("init", "--yes", "--json")
    assert done.exit_code == 1
    states = {row["host"]: row["status"] for row in json.loads(done.stdout)["hosts"]}
    assert states.pop("cursor") == "refused"
    assert {*states.values()} == {"added"}
    assert all_hosts()["cursor"] == b"{"


def test_a_link_stays_a_link_and_a_file_keeps_its_mode(tmp_path: Path) -> None:
    path, real = file_of("cursor"), tmp_path / "dotfiles" / "mcp.json"
    _write(real, "{}\n")
    real.chmod(0o640)
    path.parent.mkdir(parents=True)
    path.symlink_to(real)

    _only("--host", "cursor", "--yes")
    assert path.is_symlink()
    assert "guildhall" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    _only("--host", "cursor", "--remove", "--yes")
    assert path.is_symlink()
    assert real.read_text() == "{}\n"
    assert _names(real.parent) == ["mcp.json"], "nothing is left beside it"


def test_a_link_to_nothing_is_followed(tmp_path: Path) -> None:
    path, real = file_of("cursor"), tmp_path / "later" / "mcp.json"
    path.parent.mkdir(parents=True)
    path.symlink_to(real)

    _only("--host", "cursor", "--yes")
    assert "guildhall" in real.read_text()
    _only("--host", "cursor", "--remove", "--yes")
    assert path.is_symlink()
    assert not real.parent.exists()


@pytest.mark.parametrize("kind", ["read-only", "folder", "circle"])
def test_what_must_not_or_cannot_be_written_is_left_as_it_is(kind: str) -> None:
    path = file_of("cursor")
    _write(path, "{}")
    if kind == "read-only":
        path.chmod(0o444)
    else:
        path.unlink()
        path.mkdir() if kind == "folder" else path.symlink_to(path)

    done = guildhall("init", "--host", "cursor", "--yes", "--json")
    assert (done.exit_code, json.loads(done.stdout)["hosts"][0]["status"]) == (1, "refused")
    assert _names(path.parent) == ["mcp.json"]
    if kind == "read-only":
        assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("{}", 0o444)


def test_a_file_that_changes_while_the_user_thinks_is_left_as_it_is(home: Path) -> None:
    path = file_of("cursor")
    _write(path, "{}")
    plan = plans.planned(CURSOR, path, plans.Wanted(UVX, {}), Steps(home))
    _write(path, '{"mine": 1}')

    plans.carry_out(plan, Steps(home))
    assert plan.status == "refused"
    assert path.read_text() == '{"mine": 1}'


def test_new_files_are_the_users_alone_and_go_with_their_folders() -> None:
    path = file_of("windsurf")
    _only("--host", "windsurf", "--yes")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    _only("--host", "windsurf", "--remove", "--yes")
    assert not (Path.home() / ".codeium").exists()


def test_the_file_from_before_is_kept_where_others_cannot_read_it(home: Path) -> None:
    path = file_of("cursor")
    _write(path, '{"mcpServers": {"other": {"env": {"TOKEN": "t"}}}}')

    row = _only("--host", "cursor", "--yes")
    kept = Path(row["backup"])
    assert kept.read_text() == '{"mcpServers": {"other": {"env": {"TOKEN": "t"}}}}'
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.is_relative_to(home)
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_several_changes_are_taken_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    path, before = file_of("cursor"), "{\n  // mine\n}\n"
    _write(path, before)
    _only("--host", "cursor", "--yes")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    assert _only("--host", "cursor", "--yes", "--uvx")["status"] == "updated"

    _only("--host", "cursor", "--remove", "--yes")
    assert path.read_text() == before


def test_no_part_of_a_key_in_a_long_line_is_shown() -> None:
    key = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    for length in range(0, 60, 7):
        _write(file_of("cursor"), f'{{"a": "{"x" * 300}", "b": "{key}", "c": "{"y" * length}"}}')
        assert key[-8:] not in guildhall("init", "--host", "cursor", "--dry-run").stdout


def test_without_its_notes_the_entry_is_taken_out_by_its_name(home: Path) -> None:
    path = file_of("cursor")
    _write(path, '{\n  "mcpServers": {\n    "other": {"command": "x"}, // mine\n  }\n}\n')
    before = path.read_text()
    _only("--host", "cursor", "--yes")
    (home / "hosts" / "steps.json").write_text("[{")

    _only("--host", "cursor", "--remove", "--yes")
    assert path.read_text() == before


_BLANK = st.sampled_from(["", " ", "\n", "\n  ", "\r\n\t", " /* c */ ", " // c\n", "\n// c\n  "])
_COIN = st.booleans()
_NAMES = st.lists(st.text(string.ascii_letters, min_size=1), max_size=3, unique=True)
_SCALAR = st.sampled_from(["1", "-0.5e3", "true", "null", '"t"', '"// t"', '"\\"{"', '"é\\u00e9"'])


@st.composite
def _documents(draw: st.DrawFn) -> str:
    """An object as someone may have written it."""

    def value(depth: int) -> str:
        kind = draw(st.sampled_from("soa")) if depth else "s"
        if kind == "s":
            return draw(_SCALAR)
        return box("{}" if kind == "o" else "[]", depth, [])

    def box(ends: str, depth: int, first: list[str]) -> str:
        names = [*first, *draw(_NAMES)]
        parts: list[str] = []
        for name in dict.fromkeys(names):
            item = box("{}", depth - 1, []) if name in first else value(depth - 1)
            label = f'"{name}"{draw(_BLANK)}:{draw(_BLANK)}' if ends == "{}" else ""
            parts.append(draw(_BLANK) + label + item + draw(_BLANK))
        trailing = "," if draw(_COIN) and parts else ""
        return ends[0] + ",".join(parts) + trailing + draw(_BLANK) + ends[1]

    servers = draw(st.lists(st.just("mcpServers"), max_size=1))
    return draw(_BLANK) + box("{}", 3, servers) + draw(_BLANK)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_documents())
def test_whatever_a_file_looks_like_only_the_entry_comes_and_goes(text: str) -> None:
    fields = entry(CURSOR, UVX, {"OPENAI_API_KEY": "x"}).fields
    before, path = jsonc.parse(text), ("mcpServers", "guildhall")
    after = jsonc.put(text, path, fields)

    wanted = {**before, "mcpServers": {**before.get("mcpServers", {}), "guildhall": fields}}
    assert jsonc.parse(after) == wanted
    assert _comments(after) == _comments(text)
    assert _is_within(text, after)
    left = jsonc.drop(after, path)
    assert jsonc.parse(left) == {"mcpServers": {}, **before}
    assert _comments(left) == _comments(text)
    if before.get("mcpServers"):
        assert left == text
    assert jsonc.parse(jsonc.put(after, (*path, "command"), "other")) == {
        **wanted, "mcpServers": {**wanted["mcpServers"], "guildhall": {**fields, "command": "other"}},
    }  # fmt: skip


def _is_within(text: str, after: str) -> bool:
    """Whether all of the text is there in its order, but for blanks where there was nothing else."""
    place = 0
    for char in text:
        found = after.find(char, place)
        if found < 0 and not char.isspace():
            return False
        place = found + 1 if found >= 0 else place
    return True


def _comments(text: str) -> list[str]:
    tokens = jsonc.Document(text.removeprefix("\ufeff"))._tokens
    return [
        text.removeprefix("\ufeff")[token.start : token.end] for token in tokens if token.kind == "comment"
    ]


def _said(text: str, key: str) -> Any:
    """What a file says; no servers are the same as none."""
    said = jsonc.parse(text.removeprefix("\ufeff"))
    return {name: value for name, value in said.items() if value or name != key}


def _text(kind: str, key: str) -> str | None:
    text = NASTY[kind]
    return None if text is None else text.replace("KEY", key)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _only(*args: str) -> Any:
    """What the command says of the one host it is about."""
    (row,) = data("init", *args)["hosts"]
    return row
