"""What all processes of the user ask of a model together: rates, calls in flight, and pauses."""

import asyncio
import contextlib
import math
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from guildhall.errors import StoreError

from .database import Database
from .liveness import Liveness
from .rate import Rate
from .writer import Work

AGAIN = 0.1
"""Seconds until who waits should ask again, where nothing says how long it will take."""
FRESH = 0.1
"""Seconds for which a process goes by what it last read of the pauses."""
SEEN = 1.0
"""Seconds after which a waiter of another process that has not asked again no longer counts."""
LONGEST_PAUSE = 3_600.0
"""Seconds; a provider that wants more says so again."""
SET_BACK = 1.0
"""Seconds by which a clock may be set back, as its corrections do, with no notice taken of it."""


@dataclass(frozen=True)
class Limit:
    """What may be asked of one model; None for any amount."""

    requests: float | None = None
    """A minute."""
    tokens: float | None = None
    """A minute."""
    in_flight: int | None = None
    """Calls at the same time."""

    def __post_init__(self) -> None:
        for name, value in self.given():
            if not 0 < value < math.inf:
                raise ValueError(f"the limit of {name} is {value}: give a number above 0, or None for none")

    def given(self) -> list[tuple[str, float]]:
        pairs = [(part.name, getattr(self, part.name)) for part in fields(self)]
        return [(name, value) for name, value in pairs if value is not None]


@dataclass(frozen=True)
class Claim:
    """One call that asks to be made."""

    model: str
    limit: Limit
    tokens: int
    priority: int = 0
    account: str = ""
    """Whose calls a pause stops; the model's name if not given."""
    since: float = field(default_factory=time.time)
    lease: int = field(default_factory=lambda: secrets.randbits(62))


class Refusal(NamedTuple):
    wait: float
    """Seconds after which it may be worth asking again."""
    reason: str
    paused: bool = False
    """Whether the provider wants it."""
    full: bool = False
    """Whether too many calls are in flight."""


class _Pause(NamedTuple):
    until: float
    since: float
    """When it was said."""

    def holds(self, now: float) -> bool:
        return now < self.until and not _is_of_the_future(self.since, now)


class _State(NamedTuple):
    """The row of one model, which also says when it was written: its times mean nothing to another clock."""

    requests: float = 0.0
    tokens: float = 0.0
    paused: float = 0.0


class Limits:
    """One write transaction for an admission: it takes all that the call needs, or nothing."""

    def __init__(self, db: Database, liveness: Liveness, *, clock: Callable[[], float] = time.time) -> None:
        self._db, self._liveness, self._clock = db, liveness, clock
        self._probed: dict[str, float] = {}
        self._own_pauses: dict[str, _Pause] = {}
        self._pauses: dict[str, _Pause] = {}
        self._read_at = -math.inf
        self._reading = asyncio.Lock()

    async def admit(self, claim: Claim) -> float | Refusal:
        """When the tokens taken will be refilled; or why not now, with the claim among the waiting.

        Give the claim back afterwards, also where this was cancelled.
        """
        answer = await self._db.write(lambda db: self._decide(db, claim))
        if isinstance(answer, Refusal) and answer.full and await self._free_the_dead(claim.model):
            answer = await self._db.write(lambda db: self._decide(db, claim))
        return answer

    def give_back(self, claim: Claim, *, refilled: float | None = None, used: int | None = None) -> None:
        """Free the claim's place, in flight or among the waiting; `refilled` is what `admit` gave.

        With the tokens that were really used, the tokens it took are corrected. Never waits, never fails.
        """

        def work(db: sqlite3.Connection) -> None:
            self._leave(db, claim)
            db.execute("DELETE FROM leases WHERE id = ?", (claim.lease,))
            if claim.limit.tokens and refilled is not None and used is not None:
                now = self._clock()
                state, rate = self._state(db, claim.model, now), Rate(claim.limit.tokens)
                tat = rate.corrected(state.tokens, now, claim.tokens, used=used, refilled=refilled)
                self._keep(db, claim.model, state._replace(tokens=tat), now)

        self._write_later(work)

    def pause(self, account: str, seconds: float) -> None:
        """Have all processes leave the account alone for so long. Never waits, never fails."""
        if not seconds > 0:
            return
        since = self._clock()
        pause = self._own_pauses[account] = _Pause(since + min(seconds, LONGEST_PAUSE), since)

        def work(db: sqlite3.Connection) -> None:
            if pause.holds(now := self._clock()):
                state = self._state(db, account, now)
                self._keep(db, account, state._replace(paused=max(pause.until, state.paused)), now)

        self._write_later(work)

    async def is_paused(self, account: str) -> bool:
        """Whether the account is to be left alone; cheap: what others were told is known within `FRESH`."""
        if time.monotonic() - self._read_at > FRESH:
            async with self._reading:
                if time.monotonic() - self._read_at > FRESH:
                    sql, now = "SELECT model, paused, at FROM limits WHERE paused > ?", self._clock()
                    rows = await self._db.read(lambda db: db.execute(sql, (now,)).fetchall())
                    self._pauses = {name: _Pause(until, since) for name, until, since in rows}
                    self._read_at = time.monotonic()
        now, known = self._clock(), (self._pauses.get(account), self._own_pauses.get(account))
        return any(pause.holds(now) for pause in known if pause)

    def _decide(self, db: sqlite3.Connection, claim: Claim) -> float | Refusal:
        now = self._clock()
        state = self._state(db, claim.model, now)
        refusal = self._refusal(db, claim, state, now)
        if refusal is not None:
            row = (claim.model, self._liveness.holder, claim.priority, claim.since, now, claim.tokens)
            db.execute("DELETE FROM waiting WHERE seen NOT BETWEEN ? AND ?", (now - SEEN, now + SEEN))
            db.execute(
                "INSERT OR REPLACE INTO waiting (model, holder, priority, since, seen, tokens) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
            return refusal
        if claim.limit.requests:
            state = state._replace(requests=Rate(claim.limit.requests).taken(state.requests, now, 1))
        if claim.limit.tokens:
            state = state._replace(tokens=Rate(claim.limit.tokens).taken(state.tokens, now, claim.tokens))
        if claim.limit.requests or claim.limit.tokens:
            self._keep(db, claim.model, state, now)
        self._leave(db, claim)
        if claim.limit.in_flight:
            sql = "INSERT INTO leases (id, model, holder, since) VALUES (?, ?, ?, ?)"
            db.execute(sql, (claim.lease, claim.model, self._liveness.holder, now))
        return state.tokens

    def _refusal(self, db: sqlite3.Connection, claim: Claim, state: _State, now: float) -> Refusal | None:
        other = claim.account not in ("", claim.model)
        paused = self._state(db, claim.account, now).paused if other else state.paused
        if now < paused:
            return Refusal(paused - now, "the provider asked to wait", paused=True)
        sql = "SELECT count(*) FROM leases WHERE model = ?"
        in_flight = db.execute(sql, (claim.model,)).fetchone()[0] if claim.limit.in_flight else 0
        if refusal := _obstacle(claim, state, now, in_flight):
            return refusal
        sql = (
            "SELECT count(*), total(tokens) FROM waiting WHERE model = ? AND holder != ? "
            "AND seen BETWEEN ? AND ? AND (priority > ? OR priority = ? AND since < ?)"
        )
        about = (claim.model, self._liveness.holder, now - SEEN, now + SEEN)
        better, tokens = db.execute(sql, (*about, claim.priority, claim.priority, claim.since)).fetchone()
        if better and _obstacle(claim, state, now, in_flight + better, requests=better, tokens=tokens):
            return Refusal(AGAIN, "calls of other processes come first")
        return None

    async def _free_the_dead(self, model: str) -> bool:
        """Whether places were freed; looks for processes that died with one, once a second at most."""
        now = time.monotonic()
        if now - self._probed.get(model, -math.inf) < 1.0:
            return False
        self._probed[model] = now
        sql = "SELECT DISTINCT holder FROM leases WHERE model = ? AND holder != ?"
        about = (model, self._liveness.holder)

        def look(db: sqlite3.Connection) -> list[tuple[str]]:  # in a reader's thread: it may block
            holders = db.execute(sql, about).fetchall()
            return [(holder,) for (holder,) in holders if not self._liveness.alive(holder)]

        if dead := await self._db.read(look):
            await self._db.write(lambda db: db.executemany("DELETE FROM leases WHERE holder = ?", dead))
            return True
        return False

    def _state(self, db: sqlite3.Connection, model: str, now: float) -> _State:
        sql = "SELECT requests, tokens, paused, at FROM limits WHERE model = ?"
        *times, at = db.execute(sql, (model,)).fetchone() or (0.0,)
        return _State() if _is_of_the_future(at, now) else _State(*times)

    def _keep(self, db: sqlite3.Connection, model: str, state: _State, now: float) -> None:
        sql = "INSERT OR REPLACE INTO limits (model, requests, tokens, paused, at) VALUES (?, ?, ?, ?, ?)"
        db.execute(sql, (model, *state, now))

    def _leave(self, db: sqlite3.Connection, claim: Claim) -> None:
        """Take the claim's row from the waiting; another of this process may have replaced it."""
        sql = "DELETE FROM waiting WHERE model = ? AND holder = ? AND since = ?"
        db.execute(sql, (claim.model, self._liveness.holder, claim.since))

    def _write_later(self, work: Work) -> None:
        with contextlib.suppress(StoreError):  # closed: who ends no longer counts; failed: `admit` says so
            self._db.write_later(work)


def _obstacle(
    claim: Claim, state: _State, now: float, in_flight: int, *, requests: int = 0, tokens: float = 0.0
) -> Refusal | None:
    """What stands in the way, with so much left for others; of several, what takes longest."""
    limit, found = claim.limit, []
    if limit.in_flight and in_flight >= limit.in_flight:
        reason = f"{limit.in_flight} of {limit.in_flight} calls are in flight"
        found.append(Refusal(AGAIN, reason, full=True))
    if limit.requests and (wait := Rate(limit.requests).wait(state.requests, now, 1, ahead=requests)) > 0:
        found.append(Refusal(wait, f"{limit.requests:,.10g} requests a minute are used"))
    if limit.tokens:
        wait = Rate(limit.tokens).wait(state.tokens, now, claim.tokens, ahead=tokens)
        if wait > 0:
            found.append(Refusal(wait, f"{limit.tokens:,.10g} tokens a minute are used"))
    return max(found, default=None)


def _is_of_the_future(written: float, now: float) -> bool:
    """Whether the clock was set back since: what was written then says nothing about now."""
    return written > now + SET_BACK
