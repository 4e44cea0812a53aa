"""Files of hosts as users have them, and a home in which they lie."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from guildhall.hosts import NAMES, folders, host_named, user_file

_ROW = '    {"n": %d, "text": "' + "x" * 90 + '"}, // a row\n'
NASTY = {
    "missing": None,
    "empty": "",
    "blank": " \n\t\n",
    "only a comment": "// my servers\n",
    "a comment without a line end": "/* none */ // yet",
    "an empty object": "{}",
    "an empty object with blanks": "{  }\n",
    "an empty object over lines": "{\n}\n",
    "an empty object with a comment": "{\n  // nothing yet\n}\n",
    "minified": '{"a":1,"KEY":{"other":{"command":"x","args":["y"]}}}',
    "minified without servers": '{"a":[1,{"b":2}]}',
    "one line": '{ "KEY": { "other": { "command": "x" } } }\n',
    "one line with a trailing comma": '{ "KEY": { "other": { "command": "x" }, }, }',
    "empty servers": '{\n  "KEY": {}\n}\n',
    "empty servers with a comment": '{\n  "KEY": { /* none */ }\n}\n',
    "empty servers with a line comment": '{\n\t"KEY": { // none\n\t}\n}\n',
    "comments": (
        '// above\n{\n    // in it\n    "KEY": {\n      "other": {"command": "x"} // the last one\n'
        "      // below\n    } /* after */, // more\n"
        '    "b": "// no comment, \\" {"\n} // end'
    ),
    "a comment before the comma": '{\n  "KEY": {\n    "other": {"command": "x"} /* c */ , // d\n  },\n}\n',
    "commas that begin lines": '{\n    "a": 1\n  , "KEY": {\n        "o": {"command": "x"}\n    }\n}\n',
    "trailing commas": '{\n  "KEY": {\n    "other": {"command": "x",},\n  },\n}\n',
    "tabs and CRLF": '{\r\n\t"KEY": {\r\n\t\t"other": {\r\n\t\t\t"command": "x"\r\n\t\t}\r\n\t}\r\n}\r\n',
    "only CR": '{\r  "KEY": {\r    "other": {"command": "x"}\r  }\r}\r',
    "a byte order mark": '\ufeff{\n  "KEY": {}\n}\n',
    "a byte order mark alone": "\ufeff",
    "eight blanks": '{\n        "KEY": {\n                "other": {"command": "x"}\n        }\n}',
    "no final line end": '{\n  "KEY": {\n    "other": {"command": "x"}\n  }\n}',
    "letters of all kinds": '{\n  "\\u004bEY": 1, "ü": "\U0001f3db \\ud83c", "KEY": {"a\\"b": {"é": 1}}}\n',
    "keys twice elsewhere": '{\n  "a": 1,\n  "a": 2,\n  "KEY": {\n    "x": {},\n    "x": {}\n  }\n}\n',
    "numbers of all kinds": '{"a": 1.0, "b": 1e400, "c": -0, "d": 123456789012345678901234567890, "KEY": {}}',
    "a megabyte": '{\n  "a": [\n' + "".join(_ROW % number for number in range(9_000)) + "  ]\n}\n",
}  # fmt: skip
"""KEY stands for the name under which servers stand."""
BROKEN = {
    "not JSON": "{mcp: true}",
    "cut off": '{"KEY": {"other": {"command": "x"}',
    "a missing comma": '{"a": 1 "KEY": {}}',
    "two trailing commas": '{"KEY": {},,}',
    "a comma alone": '{"KEY": {,}}',
    "a comment that does not end": "{} /* ",
    "a string that does not end": '{"KEY',
    "more behind it": '{"KEY": {}} {}',
    "a conflict of versions": '<<<<<<< HEAD\n{"KEY": {}}\n=======\n{}\n>>>>>>> other\n',
    "no number": '{"KEY": {}, "a": NaN}',
    "an array": "[]",
    "a word": "null",
    "servers in an array": '{"KEY": [{"command": "x"}]}',
    "servers in a text": '{"KEY": "none"}',
    "no servers": '{"KEY": null}',
    "servers twice": '{"KEY": {}, "KEY": {}}',
    "the entry twice": '{"KEY": {"guildhall": {"command": "a"}, "guildhall": {"command": "b"}}}',
    "env in an array": '{"KEY": {"guildhall": {"command": "a", "env": ["b"]}}}',
    "a control character": '{"KEY": {}, "a": "\x01"}',
    "very deep": "[" * 50_000,
}


@pytest.fixture
def user(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home folder, with nothing in it and no programs of hosts on the PATH."""
    for name in ("APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("GUILDHALL_EMBEDDER")
    monkeypatch.setenv("PATH", str(home.parent))
    return Path.home()


def file_of(name: str) -> Path:
    """The user's file of a host."""
    return user_file(host_named(name), folders({}, Path.home()), sys.platform)


@pytest.fixture
def all_hosts(user: Path) -> Callable[[], dict[str, bytes | None]]:
    """A folder for each host, as if it were installed; the call tells what is in their files."""
    for name in NAMES:
        file_of(name).parent.mkdir(parents=True, exist_ok=True)
    (user / ".claude").mkdir()
    return lambda: {name: path.read_bytes() if (path := file_of(name)).exists() else None for name in NAMES}
