"""Which files of a folder are read: none that is hidden, ignored, a link, a secret or no text by its name."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from guildhall.credentials import is_credentials

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".guildhallignore")
"""What the second says wins."""
_DEEPEST = 100
"""Folders within each other."""
_NEVER = frozenset({"node_modules", "__pycache__", "site-packages"})
_BINARY = frozenset(
    """.7z .a .avi .bin .bmp .bz2 .class .db .dll .dylib .exe .flac .gif .gz .ico .iso .jar .jpeg .jpg .lib
    .mkv .mov .mp3 .mp4 .npy .npz .o .obj .ogg .onnx .otf .parquet .pickle .pkl .png .pt .pyc .rar
    .safetensors .so .sqlite .sqlite3 .tar .tgz .tif .tiff .ttf .wasm .wav .webm .webp
    .woff .woff2 .xz .zip .zst""".split()
)


class Found(NamedTuple):
    """A file; with a `problem`, what is refused, or a folder that cannot be looked into."""

    path: str
    size: int = 0
    changed: float = 0.0
    problem: str = ""


def walk(root: Path) -> Iterator[Found]:
    """The files to be read below the folder, or the one that is named, in order. No link may lead to it."""
    if root.is_file():
        yield _file(root.name, str(root), root.stat())
        return
    yield from _below(root, _rules_above(root))


class _Rules(NamedTuple):
    """What the ignore files of one folder say of all below it."""

    folder: str
    spec: "GitIgnoreSpec"


def _below(folder: Path, rules: Sequence[_Rules], depth: int = 1) -> Iterator[Found]:
    if depth > _DEEPEST:
        yield Found(str(folder), problem=f"it lies more than {_DEEPEST} folders deep, and is not looked into")
        return
    try:
        rules = [*rules, *_rules_of(folder)]
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Found(str(folder), problem=f"the folder cannot be read: {error.strerror}")
        return
    for entry in listed:
        try:
            if entry.is_symlink():
                continue
            if entry.is_dir():
                hidden = entry.name.startswith(".") or entry.name in _NEVER
                if not hidden and not _is_ignored(f"{entry.path}/", rules):
                    yield from _below(Path(entry.path), rules, depth + 1)
            elif entry.is_file() and not _is_ignored(entry.path, rules):
                found = _file(entry.name, entry.path, entry.stat())
                if found.problem or _is_wanted(entry.name, found.size):
                    yield found
        except OSError as error:
            yield Found(entry.path, problem=f"it cannot be looked at: {error.strerror}")


def _file(name: str, path: str, about: os.stat_result) -> Found:
    problem = "files of this name hold credentials, and are never read" if is_credentials(name) else ""
    return Found(path, about.st_size, about.st_mtime, problem)


def _is_wanted(name: str, size: int) -> bool:
    return size > 0 and not name.startswith(".") and PurePosixPath(name.lower()).suffix not in _BINARY


def _is_ignored(path: str, rules: Sequence[_Rules]) -> bool:
    """What the nearest rules say of it that say anything."""
    for folder, spec in reversed(rules):
        relative = os.path.relpath(path, folder).replace(os.sep, "/") + "/" * path.endswith("/")
        if (said := spec.check_file(relative).include) is not None:
            return said
    return False


def _rules_of(folder: Path) -> Iterator[_Rules]:
    lines: list[str] = []
    for name in IGNORE_FILES:
        if (file := folder / name).is_file():
            lines += file.read_text("utf-8", errors="replace").splitlines()
    if lines:
        from pathspec import GitIgnoreSpec

        try:
            yield _Rules(str(folder), GitIgnoreSpec.from_lines(lines))
        except ValueError:  # git takes no notice of such a line
            yield _Rules(str(folder), GitIgnoreSpec.from_lines(filter(_is_pattern, lines)))


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _rules_above(root: Path) -> list[_Rules]:
    """The rules of the folders around it, up to its repository; none where they leave all of it out."""
    around: list[Path] = []
    for folder in root.parents if not (root / ".git").exists() else ():
        around.append(folder)
        if (folder / ".git").exists():
            break
    else:
        return []
    rules = [rule for folder in reversed(around) for rule in _rules_of(folder)]
    return [] if _is_ignored(f"{root}/", rules) else rules
