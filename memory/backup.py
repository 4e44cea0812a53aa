"""Copies of memory: a backup of the whole database, and records as signed lines that others can read."""

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from guildhall.errors import FileError, GuildhallError, UserError
from guildhall.redact import redact

from . import given, holding, ledger
from .holding import Settled, settle_as, settled_of
from .records import QUARANTINE, Author, Origin, Record
from .store import vectors
from .store.database import Database, reported

FORMAT = 1
KEY = "export.key"
FOREIGN = 0.4
"""How far records are trusted at most that somebody else has exported: less than what is recalled unasked."""
LARGEST = 2_000_000_000
"""Bytes of an export."""
_ID = re.compile(r"[\w.:-]{1,100}")
_TIMES = ("valid_from", "valid_to", "recorded_at", "closed_at", "expires_at")


class Exported(NamedTuple):
    """A record with what is known of it beside itself."""

    record: Record
    origins: list[Origin]
    settled: Settled

    @property
    def line(self) -> dict[str, Any]:
        also = {
            "origins": [one.model_dump(mode="json") for one in self.origins],
            "settled": self.settled._asdict() if any(self.settled) else None,
        }
        return self.record.model_dump(mode="json") | {name: given for name, given in also.items() if given}


@dataclass(frozen=True)
class Imported:
    """What became of the records of an export."""

    new: int = 0
    known: int = 0
    """Those that were there already, or were forgotten."""
    quarantined: int = 0


def backed_up(db: Database, path: Path) -> Path:
    """The new file, which is the whole database as it is now, for its owner alone. Blocks.

    Others may write meanwhile. Raises UserError where there is a file already.
    """
    with _new_file(path), reported(path), contextlib.closing(db.connect()) as source:
        with contextlib.closing(sqlite3.connect(path)) as target:
            source.backup(target)  # at one go: in steps, it begins again whenever somebody writes
            vectors.rename_ledger(target)  # wherever it is put, what is indexed of this one is not its own
            target.commit()
            [(said,)] = target.execute("PRAGMA quick_check(1)").fetchall()
            target.execute("PRAGMA journal_mode = DELETE").fetchone()
        if said != "ok":
            raise FileError("bad_backup", f"it is damaged as the database is: {said}", path=str(path))
    return path


def exported(db: Database, scope: str, path: Path) -> int:
    """How many records of the scope were written to the new file, signed with the user's key. Blocks.

    One JSON object a line: what it is, the records with who else said so, the signature; no vectors. What
    is recalled everywhere is among them.
    """
    key = _key(db.path.parent)
    with _new_file(path), reported(path), contextlib.closing(db.connect()) as reading:
        records = ledger.every(reading, ledger.scope_ids(reading, scope, ledger.EVERYWHERE))
        lines = [_line({"guildhall": "memory", "format": FORMAT, "scope": scope, "at": time.time()})]
        for record in records:
            line = Exported(record, ledger.origins(reading, record.id), settled_of(reading, record.id)).line
            lines.append(_line(line))
        body = "".join(lines).encode()
        signed = {"signed": _signature(key, body), "by": _name(key)}
        path.write_bytes(body + _line(signed).encode())
    return len(records)


def read(path: Path, folder: Path, *, foreign: bool = False) -> list[Exported]:
    """The records of an export. Blocks.

    Raises UserError for one that was changed, and for one of another user's unless `foreign`: its records are
    trusted so little then that they are recalled on request alone.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise FileError("too_large", f"has more than {LARGEST:,} bytes", path=str(path))
            *body, last = file.read().splitlines(keepends=True)
        about, end = json.loads(body[0]), json.loads(last)
    except OSError as error:
        raise FileError("unreadable", f"cannot be read ({error.strerror})", path=str(path)) from None
    except (ValueError, IndexError, RecursionError):
        raise _no_export(path) from None
    if not (isinstance(about, dict) and isinstance(end, dict)) or about.get("guildhall") != "memory":
        raise _no_export(path)
    if about.get("format") != FORMAT:
        raise FileError("newer", "was written by another version of Guildhall: upgrade", path=str(path))
    if "signed" not in end:
        raise _no_export(path)
    key = _key(folder)
    ours = hmac.compare_digest(str(end["signed"]), _signature(key, b"".join(body)))
    if not ours and end.get("by") == _name(key):
        raise FileError("changed", "was changed since it was exported: export it anew", path=str(path))
    if not ours and not foreign:
        raise FileError(
            "foreign",
            "was exported by somebody else, or on another machine. If you trust it, say --foreign: its "
            "records come into quarantine, and are recalled on request alone",
            path=str(path),
        )
    read = []
    for number, line in enumerate(body[1:], 2):
        try:
            read.append(_of(json.loads(line), ours=ours))
        except (ValueError, TypeError, RecursionError, GuildhallError) as error:
            problem = "it is no record" if not isinstance(error, GuildhallError) else str(error)
            raise FileError("no_export", f"cannot be used: {problem}", path=str(path), line=number) from None
    return read


def taken_in(db: sqlite3.Connection, records: Sequence[Exported], scope: str) -> Imported:
    """What became of the records, which are of this scope from now on; in a transaction of the caller's."""
    new = dict[int, Exported]()
    for one in records:
        to = ledger.EVERYWHERE if one.record.scope == ledger.EVERYWHERE else scope
        if (number := ledger.take(db, one.record.model_copy(update={"scope": to}), one.origins)) is not None:
            new[number] = one
    for number, one in new.items():  # once all are there
        settle_as(db, number, one.settled)
    holding.refresh(db, new, now=time.time())
    quarantined = sum(one.record.status == "quarantined" for one in new.values())
    return Imported(len(new), len(records) - len(new), quarantined)


def _of(line: object, *, ours: bool) -> Exported:
    """The record of a line. One of somebody else's may say anything, so all of it is looked at.

    What somebody else has settled is not settled here.
    """
    if not isinstance(line, dict):
        raise TypeError
    also = TypeAdapter(list[Origin]).validate_python(line.pop("origins", []))
    settled = TypeAdapter(Settled).validate_python(line.pop("settled", None) or Settled())
    record = Record.model_validate(line)
    for id_ in (record.id, *record.derived_from, record.superseded_by or record.id):
        if not _ID.fullmatch(id_) or redact(id_) != id_:
            raise UserError(f"the id {redact(id_)[:40]!r} is none")
    for name in _TIMES:
        if (at := getattr(record, name)) is not None:
            given.moment(name, at)
    most = 1.0 if ours else FOREIGN
    trust = min(given.fraction("trust", record.trust), most)
    status = "quarantined" if trust < QUARANTINE and record.status == "active" else record.status
    clean = {
        "text": given.text(record.text), "subject": given.subject(record.subject), "trust": trust,
        "status": status, "importance": given.fraction("importance", record.importance),
        "author": _clean(record.author), "tags": tuple(map(redact, record.tags)),
        **{name: redact(getattr(record, name)) for name in ("source", "place", "session", "source_hash")},
        **({} if ours else {"pinned": False}),
    }  # fmt: skip
    origins = [
        Origin(author=_clean(one.author), source=redact(one.source), at=one.at, trust=min(one.trust, most))
        for one in also
        if given.moment("at", one.at) and one.trust >= 0
    ]
    return Exported(record.model_copy(update=clean), origins, settled if ours else Settled())


def _clean(author: Author) -> Author:
    return Author(**{name: redact(value) for name, value in author})


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[None]:
    """A file of the user's alone, which is gone again where what follows fails."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise UserError(f"{path} is there already: name a new file, or move that one away") from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}): name a file in a folder of yours"
        ) from None
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _key(folder: Path) -> bytes:
    """The user's key, made when it is first needed."""
    path = folder / KEY
    with reported(path):
        if not path.exists():
            draft = path.with_name(f"{KEY}.{secrets.token_hex(4)}")
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)  # all of it or nothing, and the first one stays
            draft.unlink()
        return path.read_bytes()


def _signature(key: bytes, body: bytes) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def _name(key: bytes) -> str:
    return hashlib.sha256(b"name of " + key).hexdigest()[:16]


def _line(value: Mapping[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _no_export(path: Path) -> FileError:
    return FileError(
        "no_export", "is no export of memory: `guildhall memory export` makes one", path=str(path)
    )
