"""Files that a team may read: text below named folders, and nothing else."""

import errno
import heapq
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field

from guildhall.credentials import SECRET_FOLDERS, is_credentials, may_hold_credentials
from guildhall.errors import NameUnknown, PathRefused, UserError
from guildhall.redact import redact

from ..hidden import find_hidden
from ..message import Quote
from ..tool import Tool, ToolContext, tool

MAX_BYTES = 1 << 20
MAX_SHOWN = 50_000
"""Characters that one `read` returns."""
MAX_SEARCHED = 20_000
"""Files that one `search` looks into."""
MAX_HIT = 300

NOT_SEARCHED = frozenset({"node_modules", "__pycache__", "site-packages"})
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
_OPENS_BELOW_A_FOLDER = os.open in os.supports_dir_fd


def file_tools(roots: Mapping[str, Path]) -> list[Tool]:
    """The tools `read_file` and `search_files` for these folders, by the names that models know them by."""
    below = Roots(roots)

    @tool
    def read_file(
        path: Annotated[str, Field(min_length=1, max_length=1024)],
        context: ToolContext,
        first_line: Annotated[int, Field(ge=1)] = 1,
        lines: Annotated[int, Field(ge=1, le=2_000)] = 400,
    ) -> str:
        """Read a text file, each line with its number. Cite what you use as [path:line]."""
        text = below.read(path, first_line=first_line, lines=lines)
        context.run.show([below.document(path, first_line=first_line, lines=lines)])
        return text

    @tool
    def search_files(
        words: Annotated[str, Field(min_length=1, max_length=200)],
        root: Annotated[str, Field(max_length=100)] = "",
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> str:
        """Find the lines of files that hold most of the words, as `path:line: text`, best first.

        `root` limits it to one folder. Read a file before you rest on a line of it.
        """
        return "\n".join(below.search(words, root=root, limit=limit)) or "nothing found"

    return [read_file, search_files]


class Roots:
    """Named folders. A file is `root/sub/file.md`, or `sub/file.md` where there is only one folder.

    Links are not followed, and secrets are refused by their names. Raises PathRefused.
    """

    def __init__(self, roots: Mapping[str, Path]) -> None:
        for name in roots:
            if "/" in name or _problem_of(name):
                raise UserError(f"a folder of files cannot be called {name!r}; use letters, digits, - and _")
        self._roots = dict(roots)

    def read(self, name: str, *, first_line: int = 1, lines: int = 400) -> str:
        """The lines of a text file behind their numbers, below a line that says which they are."""
        root, parts = self._place(name)
        label, all_lines = self._label(root, parts), _lines(redact(self._text(root, parts, name)))
        first = max(first_line, 1)
        shown = _within(MAX_SHOWN, all_lines[first - 1 : first - 1 + max(lines, 1)], first)
        last = first + len(shown) - 1
        if not shown:
            return f"{label} has {len(all_lines)} lines; there is no line {first}"
        head = f"{label}, lines {first} to {last} of {len(all_lines)}"
        more = [f"(read on with first_line={last + 1})"] if last < len(all_lines) else []
        return "\n".join([head, *shown, *more])

    def document(self, name: str, *, first_line: int = 1, lines: int = 400) -> Quote:
        """The same lines as material that can be cited."""
        root, parts = self._place(name)
        all_lines = _lines(redact(self._text(root, parts, name)))
        first = max(first_line, 1)
        shown = all_lines[first - 1 : first - 1 + max(lines, 1)]
        text = "\n".join(shown)[:MAX_SHOWN]
        return Quote(label=self._label(root, parts), kind="document", text=text, first_line=first)

    def search(self, words: str, *, root: str = "", limit: int = 20) -> list[str]:
        """The lines that hold most of the words, in any case, as `path:line: text`, best first.

        Skips hidden and vendored folders, and files that `read` would refuse.
        """
        if root and root not in self._roots:
            raise NameUnknown("folder", root, self._roots)
        wanted = list(dict.fromkeys(words.casefold().split()))[:20]
        if not wanted:
            raise UserError("no words to search for; give at least one")
        files = ((top, parts) for top in ([root] if root else self._roots) for parts in self._walk(top))
        searched = islice(files, MAX_SEARCHED)
        hits = (hit for top, parts in searched for hit in self._hits(top, parts, wanted))
        best = [str(hit) for hit in heapq.nsmallest(limit, hits)]
        left = [f"(the search ended after {MAX_SEARCHED:,} files; there are more)"] if any(files) else []
        return best + left

    def _place(self, name: str) -> tuple[str, list[str]]:
        """The root, and the path below it in parts."""
        if problem := _problem_of(name):
            raise PathRefused(f"{name[:200]!r} is refused: {problem}; give a path such as {self._example()}")
        first, *rest = name.split("/")
        if len(self._roots) == 1:
            root, top = next(iter(self._roots.items()))
            named = rest and first == root and not (top / first).is_dir()
            return root, rest if named else [first, *rest]
        if rest and first in self._roots:
            return first, rest
        raise PathRefused(
            f"{name!r} begins with no known folder; there are: {', '.join(self._roots) or 'none'}"
        )

    def _label(self, root: str, parts: list[str]) -> str:
        """The path by which `read` finds the file."""
        return "/".join(parts if len(self._roots) == 1 else [root, *parts])

    def _example(self) -> str:
        return "folder/file.md" if len(self._roots) == 1 else f"{next(iter(self._roots), 'root')}/file.md"

    def _text(self, root: str, parts: list[str], name: str) -> str:
        try:
            with os.fdopen(_open(self._roots[root], parts), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise PathRefused(f"{name!r} is refused: it is not a regular file")
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise PathRefused(f"there is no file {name!r}; search_files finds files by their words") from None
        except OSError as error:
            reason = "a part of it is a link, or is no folder" if _met_a_link(error) else error.strerror
            raise PathRefused(f"{name!r} is refused: {reason}") from None
        if len(data) > MAX_BYTES:
            raise PathRefused(f"{name!r} is refused: it has more than {MAX_BYTES:,} bytes, the most allowed")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise PathRefused(f"{name!r} is refused: it is not text in UTF-8")
        return text

    def _walk(self, root: str) -> Iterator[list[str]]:
        """The files below the root whose names are not refused, in an order that stays."""
        top = self._roots[root]
        for folder, folders, files in os.walk(top):
            folders[:] = sorted(name for name in folders if name[0] != "." and name not in NOT_SEARCHED)
            above = Path(folder).relative_to(top).parts
            for file in sorted(files):
                parts = [*above, file]
                if not _problem_of("/".join(parts)):
                    yield parts

    def _hits(self, root: str, parts: list[str], wanted: list[str]) -> Iterator["_Hit"]:
        label = self._label(root, parts)
        try:
            text = self._text(root, parts, label)
        except PathRefused:
            return
        everything = text.casefold()
        if not any(word in everything for word in wanted):
            return
        for number, line in enumerate(_lines(redact(text)), 1):
            folded = line.casefold()
            if found := [at for word in wanted if (at := folded.find(word)) >= 0]:
                yield _Hit(-len(found), label, number, _around(line.strip(), min(found)))


class _Hit(NamedTuple):
    """Sorts by how many words are missing, then by place."""

    rank: int
    label: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.label}:{self.line}: {self.text}"


def _problem_of(name: str) -> str:
    """Why a path is refused by its looks alone, on every system alike; empty if it is not."""
    if not name or len(name) > 1024:
        return "a path has 1 to 1,024 characters"
    if found := find_hidden(name):
        return f"it holds the hidden character {found.what}"
    if name[0] in "/~" or "\\" in name or ":" in name or "\n" in name or "\t" in name:
        return "a path is relative, its parts are separated by /, and it holds no : or \\"
    return next(filter(None, map(_problem_of_part, name.split("/"))), "")


def _problem_of_part(part: str) -> str:
    plain = unicodedata.normalize("NFKC", part)  # what look like dots and slashes may become them
    if not plain.strip(". ") or "/" in plain or "\\" in plain:
        return "it has an empty part, or one of dots"
    if part != part.strip() or part.endswith(".") or len(part.encode()) > 255:
        return "a part of it ends in a dot, begins or ends with a space, or is too long"
    if _DEVICE.fullmatch(plain):
        return f"{part} is the name of a device"
    if plain.lower() in SECRET_FOLDERS or is_credentials(plain) or may_hold_credentials(plain):
        return f"{part} may hold secrets"
    return ""


def _open(root: Path, parts: list[str]) -> int:
    """A descriptor of the file, reached without following a link even if one appears meanwhile."""
    if not _OPENS_BELOW_A_FOLDER:
        return _open_checked(root, parts)
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        # without O_NONBLOCK, opening a named pipe would wait for its writer
        return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)


def _open_checked(root: Path, parts: list[str]) -> int:
    """The same where the system cannot open below a folder: look, open, and look again."""
    name, real_root = "/".join(parts), root.resolve(strict=True)

    def look() -> Path:
        real = (real_root / name).resolve(strict=True)
        if not real.is_relative_to(real_root):
            raise PathRefused(f"{name!r} is refused: it is a link or lies behind one")
        inside = real.relative_to(real_root).as_posix()  # a short name such as CREDEN~1 is long here
        if problem := _problem_of(inside):
            raise PathRefused(f"{name!r} is refused: {problem}")
        if not real.is_file():
            raise PathRefused(f"{name!r} is refused: it is not a regular file")
        return real

    descriptor = os.open(look(), os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        same = os.path.samestat(os.fstat(descriptor), look().stat())
    except (OSError, PathRefused):
        same = False
    if not same:
        os.close(descriptor)
        raise PathRefused(f"{name!r} is refused: it changed while it was opened")
    return descriptor


def _met_a_link(error: OSError) -> bool:
    return error.errno in (errno.ELOOP, errno.ENOTDIR)


def _lines(text: str) -> list[str]:
    """The lines as editors count them, without their ends."""
    return text.removesuffix("\n").replace("\r\n", "\n").split("\n")


def _within(most: int, lines: list[str], first: int) -> list[str]:
    """The lines behind their numbers, as many as fit into `most` characters, but at least one."""
    shown: list[str] = []
    for number, line in enumerate(lines, first):
        text = f"{number}: {line}" if line.strip() else ""
        most -= len(text) + 1
        if most < 0:
            return shown or [text[:MAX_SHOWN] + f" [{len(text) - MAX_SHOWN:,} more characters]"]
        shown.append(text)
    return shown


def _around(line: str, position: int) -> str:
    """At most MAX_HIT characters of the line, with the position among them."""
    if len(line) <= MAX_HIT:
        return line
    start = max(0, min(position - MAX_HIT // 3, len(line) - MAX_HIT))
    return (
        ("…" if start else "") + line[start : start + MAX_HIT] + ("…" if start + MAX_HIT < len(line) else "")
    )
