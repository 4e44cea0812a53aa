"""The tools of other assistants, and those of ours that do the same without doing more."""

import re
from collections.abc import Iterable
from typing import Any

from .imported import Draft

READING = ("read_file", "search_files")
"""What of "all tools" there is here: they read the project, and nothing outside of it."""
_MOST = 200
_TOOL = re.compile(r"[^\s,;\[\]\"'()]+(?:\([^)\n]{0,200}\))?")

_OURS = {
    "read_file": """
        read readfile read_file notebookread view viewfile view_file open_file filereadtool file_read_tool
    """,
    "search_files": """
        grep glob ls list search codebase searchcodebase grepsearch grep_search filesearch file_search
        textsearch text_search semantic_search search_files list_dir listdir listdirectory list_files
        findfiles directoryreadtool directory_read_tool directorysearchtool directory_search_tool
    """,
}
_NONE = {
    "nothing here changes files": """
        write edit multiedit notebookedit editfiles edit_file createfile create_file createdirectory new
        editnotebook apply_patch insert_edit_into_file replace_string_in_file filewritertool file_writer_tool
        str_replace_editor
    """,
    "commands and programs are never run": """
        bash shell execute terminal runcommands runcommand runinterminal run_in_terminal run_terminal_cmd
        getterminaloutput terminallastcommand runtasks runtask runtests runnotebooks runnotebookcell
        bashoutput killshell killbash powershell python codeinterpretertool code_interpreter computer
        testfailure createandruntask
    """,
    "nothing here reaches the web": """
        webfetch websearch web fetch fetch_webpage browser browser_use opensimplebrowser githubrepo github
        serperdevtool scrapewebsitetool websitesearchtool exasearchtool bravesearchtool tavilysearchtool
        githubsearchtool youtubevideosearchtool
    """,
    "a specialist starts no others; let them be the members of a team": """
        task agent subagent runsubagent custom-agent handoff sendmessage teamcreate
    """,
    "a specialist reports in its answer": """
        todowrite todoread todo todos exitplanmode enterplanmode askuserquestion ask_user think
        sequentialthinking
    """,
}
_NAMES = {name: ours for ours, names in _OURS.items() for name in names.split()}
_WHY = {name: why for why, names in _NONE.items() for name in names.split()}


def mapped(draft: Draft, given: Any, *, without: Any = (), key: str = "tools") -> tuple[str, ...]:
    """The tools of ours that stand for those given; the others are dropped, each with the reason."""
    names = _names(given)
    if any(name.lower() in ("*", "all") for name in names):
        ours: dict[str, list[str]] = {tool: ["all"] for tool in READING}
        left: dict[str, list[str]] = {}
    else:
        ours, left = _sorted(names)
    for name in _names(without):
        if (tool := _NAMES.get(_plain(name))) and ours.pop(tool, None):
            draft.drops("disallowedTools", name, f"{tool} is not given to it")
    if ours:
        given = dict.fromkeys(name for names in ours.values() for name in names)
        draft.maps(key, [*given], ", ".join(ours))
    for why, names in left.items():
        draft.drops(key, names, why)
    return tuple(ours)


def everything(draft: Draft, without: Any = ()) -> tuple[str, ...]:
    """What an agent gets that names no tools, and so had all of its host's."""
    ours = mapped(draft, ["all"], without=without)
    draft.notes.append("it names no tools, which for its host means all of them; here it reads the project")
    return ours


def _sorted(names: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The names by the tool that stands for them, and the others by the reason why none does."""
    ours: dict[str, list[str]] = {}
    left: dict[str, list[str]] = {}
    for name in names:
        plain = _plain(name)
        tool = _NAMES.get(plain)
        if tool and "(" in name:
            left.setdefault(f"it is held to some files, which {tool} cannot be", []).append(name)
        elif tool:
            ours.setdefault(tool, []).append(name)
        elif plain in _WHY:
            left.setdefault(_WHY[plain], []).append(name)
        elif name.startswith("mcp__") or "/" in plain:
            left.setdefault("MCP servers of the host are not reached from here", []).append(name)
        else:
            left.setdefault("there is no such tool here", []).append(name)
    return ours, left


def _plain(name: str) -> str:
    """The name without what limits it, and without its set where that is one of the host's own."""
    name = name.partition("(")[0].lower()
    group, slash, tool = name.partition("/")
    return tool if slash and group in ("read", "search", "edit", "execute", "web", "vscode") else name


def _names(given: Any) -> list[str]:
    """The tools by name, each once, however they are listed."""
    if isinstance(given, dict):
        given = [name for name, on in given.items() if str(on).lower() not in ("false", "none", "deny", "")]
    if isinstance(given, list | tuple):
        found = [" ".join(str(one).split()) for one in given if isinstance(one, str | int)]
    else:
        text = str(given or "")[:20_000]
        if "," not in text and text.strip(" []\"'.").lower() in ("all tools", "all tools available"):
            return ["all"]
        found = _TOOL.findall(text)
    return [name for name in dict.fromkeys(found) if name][:_MOST]
