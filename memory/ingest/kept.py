"""The documents that were read, in SQL: of each the state in which it was, and its chunks as records."""

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath, PurePosixPath
from typing import NamedTuple

from .. import holding, ledger
from ..records import Record


class Document(NamedTuple):
    """A file as it was read `at` a time; `problem` says why it has no chunks, or not all."""

    path: str
    hash: str
    size: int
    changed: float
    at: float
    problem: str = ""


def session(path: str) -> str:
    """What the chunks of a document are a part of."""
    return f"file:{path}"


def known(db: sqlite3.Connection, scope: str, path: str) -> dict[str, Document]:
    """The documents that were read of that file or folder, by their paths; the empty path is the project."""
    if not (ids := ledger.scope_ids(db, scope)):
        return {}
    columns, folder = ", ".join(Document._fields), f"{path.rstrip('/')}/"
    sql = f"SELECT {columns} FROM documents WHERE scope = ?"
    if path:
        sql += " AND (path = ? OR substr(path, 1, ?) = ?)"
        found = map(Document._make, db.execute(sql, (ids[0], path, len(folder), folder)))
        return {document.path: document for document in found}
    found = map(Document._make, db.execute(sql, (ids[0],)))
    return {document.path: document for document in found if not PurePath(document.path).is_absolute()}


def say_private(db: sqlite3.Connection, scope: str, path: str, private: bool) -> None:
    """Note whether that file, or all in that folder, is private, whatever was said of parts of it."""
    number = ledger.scope_id(db, scope)
    below = [(number, one) for one in private_paths(db, scope) if path in (one, *around(one))]
    db.executemany("DELETE FROM private_paths WHERE scope = ? AND path = ?", below)
    db.execute("INSERT INTO private_paths (scope, path, private) VALUES (?, ?, ?)", (number, path, private))
    if private:  # at once, since reading them anew takes a while and may fail
        read = db.execute("SELECT path FROM documents WHERE scope = ?", (number,)).fetchall()
        sql = "UPDATE records SET private = 1 WHERE scope = ? AND session = ? AND kind = 'document'"
        db.executemany(sql, [(number, session(one)) for (one,) in read if path in (one, *around(one))])


def private_paths(db: sqlite3.Connection, scope: str) -> dict[str, bool]:
    """Of which files and folders it was said whether they are private."""
    sql = "SELECT path, private FROM private_paths WHERE scope = ?"
    return {path: bool(said) for id_ in ledger.scope_ids(db, scope) for path, said in db.execute(sql, (id_,))}


def is_private(said: Mapping[str, bool], path: str) -> bool:
    """What was said of the document, or of the nearest folder around it."""
    return next((said[one] for one in (path, *around(path)) if one in said), False)


def around(path: str) -> list[str]:
    """The folders around a document, the nearest first; the empty path is the project."""
    folders = [str(folder) for folder in PurePosixPath(path).parents if folder != PurePosixPath()]
    return folders if PurePath(path).is_absolute() or not path else [*folders, ""]


def put(db: sqlite3.Connection, scope: str, document: Document, chunks: Sequence[Record]) -> bool:
    """Have these chunks be all that there is of the document; False if another process was quicker."""
    number = ledger.scope_id(db, scope)
    sql = "SELECT at FROM documents WHERE scope = ? AND path = ? AND hash = ?"
    if (row := db.execute(sql, (number, document.path, document.hash)).fetchone()) and row[0] >= document.at:
        return False
    _remove(db, number, document.path)
    # whoever has the document read wants what it says known, though that was forgotten before
    db.executemany("DELETE FROM tombstones WHERE id = ?", [(chunk.id,) for chunk in chunks])
    private = is_private(private_paths(db, scope), document.path)  # as was said while it was read
    for chunk in chunks:
        ledger.write(db, chunk.model_copy(update={"private": private}))
    names = ", ".join(document._fields)
    marks = ", ".join("?" * len(document))
    db.execute(f"INSERT INTO documents (scope, {names}) VALUES (?, {marks})", (number, *document))
    return True


def seen(db: sqlite3.Connection, scope: str, document: Document) -> None:
    """Note that the document is still what it was."""
    db.execute(
        "UPDATE documents SET size = ?, changed = ?, at = ? WHERE scope = ? AND path = ? AND hash = ?",
        (
            document.size,
            document.changed,
            document.at,
            ledger.scope_id(db, scope),
            document.path,
            document.hash,
        ),
    )


def gone(db: sqlite3.Connection, scope: str, paths: Iterable[str]) -> None:
    """Remove the documents and their chunks."""
    number = ledger.scope_id(db, scope)
    for path in paths:
        _remove(db, number, path)


def _remove(db: sqlite3.Connection, scope: int, path: str) -> None:
    sql = (
        "SELECT seq, id FROM records WHERE scope = ? AND session = ? AND session <> '' AND kind = 'document'"
    )
    holding.remove(db, dict(db.execute(sql, (scope, session(path))).fetchall()), now=time.time())
    db.execute("DELETE FROM documents WHERE scope = ? AND path = ?", (scope, path))
