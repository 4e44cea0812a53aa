"""What keeps the index of a database in order, in the background: it is started, fed, proven and mended."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from filelock import FileLock

from guildhall.redact import logger

from .chroma_client import Away, Chroma, ChromaError, Refused
from .chroma_places import Local, Remote, Server
from .chroma_server import held
from .store import vectors
from .store.database import Database
from .store.vectors import Mark, Space

BATCH = 256
"""Vectors that Chroma is given at a time, and as many new ones are worth a turn."""
PROBES = 64
"""Vectors that must find themselves before an index is trusted."""
OFF = 0.02
"""By how much a similarity may differ from what the vectors themselves say."""
LOST = 1 / 16
"""Of the probes; HNSW does not find every vector."""
_DEAD = 1.2
"""Where an index holds so many times as many vectors as there are, it is built anew."""
REST, _SHORTEST, _LONGEST = 10.0, 0.1, 600.0
"""After a failure: so many times as long as it took, which counts as so many seconds at least; at most."""
_FEED, _START, _PROOF, _CLOSING = 30.0, 15.0, 0.5, 5.0
_LOCK, _ALL = "index.lock", 2**62

log = logger(__name__)


class Trusted(NamedTuple):
    """A collection that was proven to be sound, over this connection of the reader."""

    collection: str
    epoch: int
    reader: Chroma
    connection: int


class _Clients(NamedTuple):
    """Two connections: what is fed takes long, and no query waits for it."""

    name: str
    reader: Chroma
    feeder: Chroma

    def collection(self, space: Space, epoch: int) -> str:
        return f"{self.name}-{space.scope}-{space.embedder}-{epoch}"

    def close(self) -> None:
        self.reader.close()
        self.feeder.close()


class Tending:
    """Looks after one space at a time, in a thread that ends when there is nothing to do."""

    def __init__(
        self, database: Database, remote: Remote | None, *, batch: int, idle: float, rest: float
    ) -> None:
        self._database, self._remote = database, remote
        self._batch, self._idle, self._resting = batch, idle, rest
        self._folder = database.path.parent
        self._clients: _Clients | None = None
        self._trusted: dict[Space, Trusted] = {}
        self._refused: dict[Space, int] = {}  # the epoch that is to be given up
        self._why: dict[Space, str] = {}
        self._rest: dict[Space | None, float] = {}
        self._asked: set[Space] = set()
        self._busy, self._stop = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def trusted(self, db: sqlite3.Connection, space: Space, mark: Mark) -> Trusted | None:
        """The collection to ask, if there is one that is sound; if not, it is seen to.

        Where a server is up that was given all, the first who asks waits a little for the proof.
        """
        trusted = self._sound(db, space, mark)
        if trusted is None or self._is_behind(db, space, mark):
            self.tend(space)
        if trusted is None and space not in self._asked and mark.watermark:
            self._asked.add(space)
            if self._thread is not None and self._is_up(db) and not self._is_behind(db, space, mark):
                self._thread.join(_PROOF)
                trusted = self._sound(db, space, mark)
        return trusted

    def why(self, space: Space) -> str:
        """Why there is none."""
        return self._why.get(space, "the index is being built, or proven")

    def doubt(self, space: Space, epoch: int, error: ChromaError | None = None) -> None:
        """Have the index trusted no more until it has been proven anew, or given up where it was refused."""
        self._trusted.pop(space, None)
        if error is not None:
            self._why[space] = str(error)
        if isinstance(error, Refused):
            self._refused[space] = epoch
        self.tend(space)

    def tend(self, space: Space | None) -> None:
        """Have the index of the space looked after, or only what was given up removed; never waits.

        Whoever finds another one being looked after asks again with the next query.
        """
        resting = time.monotonic() < self._rest.get(space, 0.0)
        if resting or self._stop.is_set() or not self._busy.acquire(blocking=False):
            return
        self._thread = threading.Thread(target=self._tend, args=(space,), name="guildhall-index", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is about to end
            self._thread = None
            self._busy.release()

    def tidy(self, db: sqlite3.Connection) -> None:
        """Have what was given up removed where this process can; never waits."""
        if any(self._reaches(place) for place in vectors.abandoned(db)):
            self.tend(None)

    def clear(self, db: sqlite3.Connection) -> list[str]:
        """Remove what was given up, wherever it is; in a line each, where that could not be done."""
        left = []
        for place, names in vectors.abandoned(db).items():
            try:
                if not self._reaches(place):
                    raise Away(f"GUILDHALL_CHROMA_URL does not name {Remote(place)} here")
                with FileLock(self._folder / _LOCK, timeout=_START, mode=0o600):  # nobody is feeding it now
                    self._remove(names, remote=bool(place))
                for name in names:
                    vectors.removed(db, name, place)
            except (ChromaError, OSError) as error:
                left.append(f"vectors stay in the index until they can be removed: {error}")
        return left

    def abandoned(self, db: sqlite3.Connection) -> list[Server]:
        """Where there is something that is to be removed."""
        return [Remote(place) if place else Local(self._folder, "") for place in vectors.abandoned(db)]

    def place(self, db: sqlite3.Connection) -> Server:
        """Where the index of this database is."""
        return self._remote or Local(self._folder, self._name(db), idle=self._idle)

    def close(self) -> None:
        """End what is going on. Blocks for a moment."""
        self._stop.set()
        if self._clients is not None:
            self._clients.close()
        if self._thread is not None:
            self._thread.join(_CLOSING)

    def _sound(self, db: sqlite3.Connection, space: Space, mark: Mark) -> Trusted | None:
        trusted, clients = self._trusted.get(space), self._clients
        if trusted is None or clients is None:
            return None
        return trusted if trusted.epoch == mark.epoch and clients.name == self._name(db) else None

    def _reaches(self, place: str) -> bool:
        return not place or (self._remote is not None and self._remote.url == place)

    def _remove(self, names: Sequence[str], *, remote: bool) -> None:
        """Raises ChromaError or TimeoutError."""
        if self._remote is None or not remote:
            for name in names:
                Local(self._folder, name).remove(_START)
            return
        with contextlib.closing(Chroma(self._remote, timeout=_FEED)) as chroma:
            for name in names:
                for collection in chroma.collections(f"{name}-"):
                    chroma.drop(collection)

    def _is_up(self, db: sqlite3.Connection) -> bool:
        try:
            self.place(db).address()
        except (OSError, ValueError, KeyError):
            return False
        return True

    def _tend(self, space: Space | None) -> None:
        begun = time.monotonic()
        try:
            with contextlib.closing(self._database.connect()) as db:
                left = self.clear(db)
                if space is not None:
                    self._look_after(db, space)
                elif left:
                    raise Away(left[0])
        except Exception as error:  # noqa: BLE001  recall answers exactly meanwhile
            pause = min(self._resting * max(_SHORTEST, time.monotonic() - begun), _LONGEST)
            if space is not None:
                self._why[space] = str(error)
            self._rest[space] = time.monotonic() + pause
            if not self._stop.is_set():
                log.info("recall does without its index for %.1f s: %s", pause, error)
        finally:
            self._busy.release()

    def _look_after(self, db: sqlite3.Connection, space: Space) -> None:
        """Feed the index, and prove it where it is not trusted yet; one that is not sound begins anew."""
        clients = self._connected(db)
        clients.feeder.reach(_START, self._stop)
        mark = vectors.mark(db, space)
        try:
            if self._refused.pop(space, None) == mark.epoch:
                raise Refused(self.why(space))
            self._feed(db, clients, space)
            mark = vectors.mark(db, space)
            trusted = Trusted(
                clients.collection(space, mark.epoch),
                mark.epoch,
                clients.reader,
                clients.reader.reach(_START, self._stop),
            )
            if self._trusted.get(space) != trusted and not self._is_behind(db, space, mark):
                _prove(db, clients.feeder, trusted.collection, space, mark)
                self._trusted[space] = trusted
                self._why.pop(space, None)
        except Refused:
            vectors.give_up(db, space, mark.epoch)
            with contextlib.suppress(ChromaError):
                clients.feeder.drop(clients.collection(space, mark.epoch))
            raise

    def _feed(self, db: sqlite3.Connection, clients: _Clients, space: Space) -> None:
        """Give Chroma what it has not been given; another process may be at it."""
        while not self._stop.is_set():
            with held(self._folder / _LOCK) as mine:
                if not mine:
                    return
                mark = vectors.mark(db, space)
                rows = vectors.batch(db, space, mark.watermark, self._batch)
                if rows:
                    vectors.placed(db, clients.name, clients.feeder.server.url)
                    if self._name(db) != clients.name:  # looked at last: whoever renames it removes this
                        return
                    clients.feeder.upsert(clients.collection(space, mark.epoch), rows)
                    vectors.advance(db, space, mark, rows[-1][0])
            if len(rows) < self._batch:
                return

    def _is_behind(self, db: sqlite3.Connection, space: Space, mark: Mark) -> bool:
        return vectors.count(db, space, self._batch, after=mark.watermark) == self._batch

    def _name(self, db: sqlite3.Connection) -> str:
        return vectors.ledger_name(db, self._database.path)

    def _connected(self, db: sqlite3.Connection) -> _Clients:
        """Who asks and who feeds, under the name that the database has now."""
        name, clients = self._name(db), self._clients
        if clients is None or clients.name != name:
            self._trusted.clear()
            if clients is not None:
                clients.close()
            place = self.place(db)
            clients = _Clients(name, Chroma(place, timeout=place.patience), Chroma(place, timeout=_FEED))
            self._clients = clients
        return clients


def _prove(db: sqlite3.Connection, chroma: Chroma, collection: str, space: Space, mark: Mark) -> None:
    """Raises Refused unless Chroma holds what it acknowledged: it can lose vectors without an error."""
    import numpy as np

    given = vectors.below(db, space, mark.watermark)
    if not given:
        raise Away("the index has been given nothing yet")
    there = chroma.count(collection)
    if there < given:
        raise Refused(f"{given - there:,} of {given:,} vectors of the index are missing")
    if there > _DEAD * vectors.below(db, space, _ALL):
        raise Refused(f"the index holds {there:,} vectors, and many are of records that are gone")
    probes = vectors.sample(db, space, mark.watermark, PROBES)
    found = chroma.query(collection, np.frombuffer(b"".join(probes), np.float32).reshape(len(probes), -1), 1)
    lost = sum(not max(each.values(), default=0.0) >= 1 - OFF for each in found)
    if len(found) != len(probes) or lost > len(probes) * LOST:
        raise Refused(f"{lost} of {len(probes)} vectors do not find themselves in the index")
