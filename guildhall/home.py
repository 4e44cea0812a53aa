"""Where things are: the user's data folder, the project, the configuration file."""

import contextlib
import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guildhall.errors import FileError, UserError

MARKS = (".guildhall", ".git", "pyproject.toml", "package.json")
"""A folder that holds one of these is the root of a project."""


def data_folder(environ: Mapping[str, str] | None = None) -> Path:
    """The user's data folder: GUILDHALL_HOME if it is set, else the platform's place for data."""
    if named := (environ if environ is not None else os.environ).get("GUILDHALL_HOME"):
        folder = Path(named).expanduser().absolute()
        if folder.is_file():
            raise UserError(f"GUILDHALL_HOME is {folder}, which is a file; name a folder")
        return folder
    from platformdirs import user_data_path

    return user_data_path("guildhall", appauthor=False)


def private_folder(folder: Path) -> Path:
    """Make the folder if it is missing, and have it readable by its owner alone.

    A folder of somebody else, or one made for all (sticky, as /tmp is), stays as it is.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    about = folder.stat()
    ours = not hasattr(os, "getuid") or about.st_uid == os.getuid()
    if ours and about.st_mode & 0o077 and not about.st_mode & stat.S_ISVTX:
        with contextlib.suppress(OSError):  # not ours to change, or on a disk that takes nothing
            folder.chmod(0o700)
    return folder


def project_folder(start: Path | None = None) -> Path:
    """The root of the project around `start`, or `start` itself.

    Without it, what GUILDHALL_PROJECT names, or the project around the working folder. A folder that holds
    the user's home folder is no project, whatever lies in it.
    """
    if start is None and (named := os.environ.get("GUILDHALL_PROJECT")):
        folder = Path(named).expanduser().resolve()
        if not folder.is_dir():
            raise UserError(f"GUILDHALL_PROJECT is {named}, which is no folder; name the project's")
        return folder
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if is_too_wide(folder):
            break
        if any((folder / mark).exists() for mark in MARKS):
            return folder
    return start


def is_too_wide(folder: Path) -> bool:
    """Whether the folder is, or holds, the user's home folder: more than agents may read."""
    try:
        return Path.home().resolve().is_relative_to(folder.resolve())
    except RuntimeError:  # there is no home folder
        return folder.resolve() == Path(folder.anchor)


def scope_of(project: Path) -> str:
    """The memory scope of a project: its name, and a hash of its path to tell namesakes apart."""
    digest = hashlib.blake2b(os.fsencode(project.resolve()), digest_size=5).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", project.name).strip(".-")[:60]
    return f"{name or 'project'}-{digest}"


def read_toml(path: Path) -> dict[str, Any]:
    """The file as a mapping; empty if it does not exist."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise FileError("bad_toml", f"not valid TOML: {error}", path=str(path)) from None
    except UnicodeDecodeError:
        raise FileError("not_utf8", "save the file as UTF-8", path=str(path)) from None
    except OSError as error:
        why = f"cannot be read ({error.strerror}): make it a file that you may read, or move it away"
        raise FileError("unreadable", why, path=str(path)) from None
