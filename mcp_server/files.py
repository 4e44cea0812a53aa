"""Which files a host's model may have read: those of the project, and of these no secrets."""

from collections.abc import Sequence
from pathlib import Path

from guildhall.errors import PathRefused
from guildhall.home import is_too_wide


def within(project: Path, names: Sequence[str]) -> list[Path]:
    """The files that are named, each of them in the project however it is reached.

    Raises PathRefused for any other.
    """
    if not names:
        return []
    project = project.resolve()
    if is_too_wide(project):
        raise PathRefused(
            f"this server was started in {project}, which is no project, so it reads no files; have the host "
            "start it in the project's folder, or name that in GUILDHALL_PROJECT of the server's `env`; or "
            "pass the text as context"
        )
    return [_within(project, name) for name in names]


def _within(project: Path, name: str) -> Path:
    from guildhall.credentials import SECRET_FOLDERS, is_credentials, may_hold_credentials

    try:
        path = (project / name).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise PathRefused(
            f"there is no file {name!r} in the project {project}; name a file relative to that folder"
        ) from None
    if not path.is_relative_to(project):
        raise PathRefused(
            f"{name!r} is outside the project {project}, and only its files may be read; "
            "copy the file there, or pass its text as context"
        )
    if not path.is_file():
        raise PathRefused(f"{name!r} is not a file; name the files in it one by one")
    for part in path.relative_to(project).parts:
        if part.lower() in SECRET_FOLDERS or is_credentials(part) or may_hold_credentials(part):
            raise PathRefused(f"{name!r} is refused: {part} may hold secrets")
    return path
