"""Records that are near each other, how their writer settles them, and who may read them."""

import secrets
import sqlite3
import time
from typing import Literal, get_args

from guildhall.errors import UserError

from . import holding, ledger, words
from .dense import Dense
from .question import Question, both
from .records import TRUST, Kind, Record, Remembered, Visibility

Settlement = Literal["supersede", "coexist", "duplicate", "retract"]

NEAR_KINDS: tuple[Kind, ...] = ("fact", "decision", "procedure", "preference")
"""What is compared with what was there; episodes, summaries and documents may well say the same again."""
SHARED, SIMILAR = 0.6, 0.85
"""Records that share so many of their telling words, or are so similar, are near each other."""
APPROVED = TRUST["agent"]
"""How far a record is trusted that a person lets out of quarantine."""
_MOST, _LOOKED_AT = 3, 20


def near(db: sqlite3.Connection, record: Record, dense: Dense | None) -> list[str]:
    """The ids of records of the same scope that hold, and say something near to this one."""
    [scope] = ledger.scope_ids(db, record.scope)
    question = Question(query=record.text, at=time.time(), kinds=NEAR_KINDS)
    condition = both(question.gate(), question.holds)
    own = set(words.telling(record.text))
    looked_at = words.sharing(db, scope, sorted(own, key=len)[-12:], _LOOKED_AT, condition)
    similar: dict[int, float] = {}
    if dense is not None:
        similar = dense.near(db, scope, record.text, _LOOKED_AT, condition, private=record.private).similar
    found, settled = [], holding.coexisting(db, record.id)
    for seq in {**looked_at, **similar}:
        other = ledger.at(db, seq, condition)
        if (
            other is None
            or other.id in {record.id, *settled}
            or ledger.readers(other) != ledger.readers(record)
        ):
            continue
        theirs = set(words.telling(other.text))
        shared = len(own & theirs) / max(1, min(len(own), len(theirs)))
        if shared >= SHARED or similar.get(seq, 0.0) >= SIMILAR:
            found.append((max(shared, similar.get(seq, 0.0)), other.id))
    return [id_ for _, id_ in sorted(found, reverse=True)[:_MOST]]


def settled(
    db: sqlite3.Connection, scope: str, id_: str, other_id: str, how: Settlement, *, trust: float
) -> Record:
    """The record as it is once its conflict with the other is settled, by somebody who is trusted so far."""
    record, other, now = _named(db, scope, id_), _named(db, scope, other_id), time.time()
    if record.id == other.id:
        raise UserError(f"{record.label} is no conflict with itself; name two records")
    if record.scope != other.scope:
        raise UserError(f"{record.label} is for one project and {other.label} for all: they do not touch")
    loser, holder = (record, other) if how == "duplicate" else (other, record)
    if how != "coexist":
        _check_may_win(holder, loser, trust, f"{record.id[:8]} {other.id[:8]} {how}")
    one, two = ledger.number(db, holder.id), ledger.number(db, loser.id)
    if "retracted" in (record.status, other.status):
        raise _over(record if record.status == "retracted" else other)
    match how:
        case "retract":
            if holder.superseded_by != loser.id:
                _check_holds(holder, now)
            holding.retract(db, two, now=now)
        case "coexist":
            holding.coexist(db, one, two, now=now)
            _check_holds(_named(db, scope, loser.id), now)
        case "supersede" | "duplicate":
            _check_holds(loser, now)
            if holding.gives_way(db, one, but=two):
                raise _over(holder)
            holding.give_way(db, two, one, now=now)
    if how != "retract":
        _check_holds(_named(db, scope, holder.id), now)
    return _named(db, scope, record.id)


def _check_may_win(holder: Record, loser: Record, trust: float, said: str) -> None:
    """Raise UserError where the loser is not for whoever settles to take away, or others would lose it."""
    if loser.trust > trust:
        raise UserError(
            f"{loser.label} is trusted more ({loser.trust:g}) than whoever says otherwise ({trust:g}) and "
            f"stays: let them coexist, or the user decide: `guildhall memory settle {said}`"
        )
    if holder.status == "quarantined":
        raise UserError(
            f"{holder.label} is in quarantine and takes nobody's place: `guildhall memory promote "
            f"{holder.id[:8]} {holder.visibility}` lets it out first"
        )
    if ledger.readers(holder) not in ("", ledger.readers(loser)) or (holder.private and not loser.private):
        raise UserError(
            f"{holder.label} is for fewer than {loser.label}, which would be gone for the others: promote it "
            "first, or let them coexist"
        )


def _check_holds(record: Record, now: float) -> None:
    if record.status == "retracted" or (record.valid_to is not None and record.valid_to <= now):
        raise _over(record)


def _over(record: Record) -> UserError:
    return UserError(f"{record.label} holds no more: `guildhall memory show {record.id[:8]}` says since when")


def promoted(db: sqlite3.Connection, scope: str, id_: str, to: Visibility, team: str) -> Remembered:
    """The record for more readers, in place of the one for few; one in quarantine is let out of it."""
    record, now = _named(db, scope, id_), time.time()
    _check_holds(record, now)
    order, held_back = get_args(Visibility), record.status == "quarantined"
    if order.index(to) < order.index(record.visibility) + (not held_back):
        raise UserError(f"{record.label} is for {record.visibility} already; it can be given only to more")
    if held_back:
        approved = ledger.approve(db, record, trust=APPROVED, now=now)
        _check_is_newest(db, scope, record.id, now)
        if to == record.visibility:
            return approved
        record = _named(db, scope, id_)
    author = record.author.model_copy(update={"team": team or record.author.team})
    if to == "team" and not author.team:
        raise UserError("what is for a team needs the team's name")
    wider = {
        "id": secrets.token_hex(16), "visibility": to, "author": author, "derived_from": (record.id,),
        "recorded_at": now, "scope": ledger.EVERYWHERE if to == "user" else record.scope, "turn": 0,
        "session": "",
    }  # fmt: skip
    kept = ledger.write(db, record.model_copy(update=wider))
    _check_is_newest(db, scope, kept.id, now)
    loser, winner = ledger.number(db, record.id), ledger.number(db, kept.id)
    holding.give_way(db, loser, winner, now=now, moved=True)
    return kept


def _check_is_newest(db: sqlite3.Connection, scope: str, id_: str, now: float) -> None:
    """Raise UserError where the record is over at once, since its readers have a newer one."""
    record = _named(db, scope, id_)
    if record.valid_to is not None and record.valid_to <= now:
        newer = f"memory:{(record.superseded_by or '')[:8]}"
        raise UserError(
            f"{newer} says something newer of {record.subject} to the same readers, so nobody would recall "
            "this: where it is right nevertheless, remember it anew"
        )


def _named(db: sqlite3.Connection, scope: str, id_: str) -> Record:
    if (record := ledger.seen(db, scope, id_.removeprefix("memory:"))) is None:
        raise UserError(
            f"there is no memory {id_!r} here, or several begin so; `guildhall recall` shows their ids"
        )
    return record
