"""Configuration files of other programs: read whole, kept before they change, and replaced in one step."""

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from guildhall.home import private_folder

from .unfit import Unfit

BOM = "\ufeff"
LARGEST = 64 * 2**20
"""Bytes of a file that is read."""


@dataclass(frozen=True)
class Content:
    """A file as it is; `raw` is None where there is none yet."""

    path: Path
    raw: bytes | None

    @property
    def text(self) -> str:
        """What it says, without a byte order mark. Raises Unfit."""
        try:
            return (self.raw or b"").decode().removeprefix(BOM)
        except UnicodeDecodeError:
            raise Unfit("it is not UTF-8: save it as UTF-8") from None

    def with_text(self, text: str) -> bytes:
        """The bytes of the file with another text. Raises Unfit."""
        mark = BOM if (self.raw or b"").startswith(BOM.encode()) else ""
        try:
            return (mark + text).encode()
        except UnicodeEncodeError:
            raise Unfit("a path that would stand in it is not UTF-8") from None


@dataclass(frozen=True)
class Step:
    """One change of a file that was made here, and how to take it back."""

    file: str
    before: str | None
    after: str | None
    """Digests of the bytes; None where there was no file."""
    backup: str = ""
    """The name of the file that holds the bytes from before."""
    made: tuple[str, ...] = ()
    """Keys that were not there."""
    folders: tuple[str, ...] = ()
    """Folders that were not there."""


def load(path: Path) -> Content:
    """The file, through links. Raises Unfit where it cannot be read."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise Unfit("it is no file")
        if about.st_size > LARGEST:
            raise Unfit(f"it is larger than {LARGEST // 2**20} MB")
        return Content(path, path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return Content(path, None)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise Unfit(f"it cannot be read ({_why(error)})") from None


def replace(content: Content, new: bytes | None) -> list[str]:
    """Put new bytes in the place of the file in one step, or take it away; the folders that were made.

    A link stays a link, and the file keeps its mode. Raises Unfit where the file is not what `content` is any
    more, or must not be written.
    """
    path = Path(os.path.realpath(content.path))
    try:
        if load(content.path).raw != content.raw:
            raise Unfit("it has changed in the meantime: run this again")
        mode = stat.S_IMODE(path.stat().st_mode) if content.raw is not None else 0o600
        if not mode & 0o222 or (content.raw is not None and not os.access(path, os.W_OK)):
            raise Unfit("it is read-only")
        if new is None:
            path.unlink()
            return []
        folders = [str(folder) for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, new, mode, own=content.raw is not None)
    except OSError as error:
        raise Unfit(f"it cannot be written ({_why(error)})") from None
    return folders


class Steps:
    """What was changed here, kept in the data folder with the files from before."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "hosts"
        self._file = self.folder / "steps.json"

    def of(self, path: Path) -> list[Step]:
        return [step for step in self._all() if step.file == str(path)]

    def keep(self, content: Content) -> str:
        """Keep the file as it is; the name under which it can be found."""
        if content.raw is None:
            return ""
        private_folder(self.folder.parent)
        private_folder(self.folder)
        start = f"{time.strftime('%Y%m%d-%H%M%S')}-{hashlib.sha256(content.raw).hexdigest()[:12]}"
        name = f"{start}-{content.path.name.removeprefix('.')}"
        _write(self.folder / name, content.raw, 0o600)
        return name

    def note(self, step: Step) -> None:
        private_folder(self.folder.parent)
        private_folder(self.folder)
        self._save([*self._all(), step])

    def forget(self, path: Path) -> None:
        self._save([step for step in self._all() if step.file != str(path)])

    def undone(self, content: Content) -> tuple[bool, bytes | None]:
        """Whether nothing else has changed the file since, and what it was before (None: there was none)."""
        steps, raw = self.of(content.path), content.raw
        if not steps:
            return False, None
        for step in reversed(steps):
            if step.after != digest(raw):
                return False, None
            try:
                raw = (self.folder / step.backup).read_bytes() if step.backup else None
            except OSError:
                return False, None
            if digest(raw) != step.before:
                return False, None
        return True, raw

    def _all(self) -> list[Step]:
        try:
            rows = json.loads(self._file.read_bytes())
            return [
                Step(**{**row, "made": tuple(row["made"]), "folders": tuple(row["folders"])}) for row in rows
            ]
        except (OSError, ValueError, TypeError, KeyError):
            return []  # without them, the entry is taken out by its name

    def _save(self, steps: Sequence[Step]) -> None:
        if steps or self._file.exists():
            _write(self._file, json.dumps([asdict(step) for step in steps], indent=1).encode(), 0o600)


def digest(raw: bytes | None) -> str | None:
    return None if raw is None else hashlib.sha256(raw).hexdigest()


def remove_empty(folders: Sequence[str]) -> None:
    """Take away those of the folders that hold nothing, the innermost first."""
    for folder in sorted(folders, key=len, reverse=True):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def _write(path: Path, raw: bytes, mode: int, *, own: bool = False) -> None:
    """The file is there whole, or as it was; with `own`, it stays its owner's."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        if own and hasattr(os, "chown"):
            about = path.stat()
            with contextlib.suppress(OSError):
                os.chown(name, about.st_uid, about.st_gid)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error)
