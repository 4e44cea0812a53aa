"""The view's JavaScript, joined to one ES module without imports, as a page or a notebook needs it."""

import json
import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_FIRST = "run.mjs"
_IMPORT = re.compile(r'^import (\{[^}]+\}|\w+) from "\./([\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const) (\w+))", re.MULTILINE)


@cache
def module() -> str:
    """The text of an ES module that exports `mount(element, transport)`; run.mjs says what these are."""
    parts: dict[str, str] = {}
    _add(_FIRST, parts)
    return "\n".join([*parts.values(), f"export const {{mount}} = {_name(_FIRST)};\n"])


@cache
def style() -> str:
    """The style sheet, as the module puts it into the page; a page that is strict names its hash."""
    return (_HERE / "style.css").read_text("utf-8")


def _add(file: str, parts: dict[str, str]) -> None:
    """Put the part after those that it imports, each once and each in a scope of its own."""
    text = (_HERE / file).read_text("utf-8")
    for _, imported in _IMPORT.findall(text):
        if imported.endswith(".mjs") and imported not in parts:
            _add(imported, parts)
    exported = ", ".join(name for _, name in _EXPORT.findall(text))
    body = _EXPORT.sub(r"\1", _IMPORT.sub(_as_constant, text))
    parts[file] = f"const {_name(file)} = (() => {{\n{body}return {{{exported}}};\n}})();"


def _as_constant(found: re.Match[str]) -> str:
    names, file = found.groups()
    return f"const {names} = {_name(file) if file.endswith('.mjs') else json.dumps(style())};\n"


def _name(file: str) -> str:
    return f"part_{file.partition('.')[0]}"
