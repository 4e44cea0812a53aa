"""A memory as a whole: what is erased of it, copied, carried elsewhere, checked and built anew."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Collection
from functools import partial
from pathlib import Path

from guildhall.errors import StoreError, UserError, describe

from . import backup, given, repair, traces
from .audit import Finding, Stats, audited, counted
from .backup import Imported
from .erase import AT_ONCE, Doomed, Forgotten, Wanted, doomed, elsewhere, erase, erase_records
from .quoted import Quoted
from .repair import Repaired
from .store.database import Database
from .store.liveness import Liveness


class Keeping:
    """The part of Memory that keeps it in order."""

    def __init__(self, db: Database, scope: str) -> None:
        self._db, self.scope = db, scope

    async def forget(
        self,
        *ids: str,
        scope: str = "",
        run: str = "",
        source: str = "",
        before: float | None = None,
        dry: bool = False,
    ) -> Forgotten:
        """What was erased for good: these records, all of a run, of a file or folder, or of before a time.

        What was derived from them goes too, and their words wherever the logs of runs quote them; a run that
        is named goes altogether. What they had taken the place of holds again, and what others have said too
        stays theirs. What is pinned, or matters more than .8, has to be named. With `dry`, nothing is done.
        Raises UserError for a run that is at work.
        """
        if before is not None:
            given.moment("before", before)
        wanted, scope = Wanted(ids, run, source, before), self._scope(scope)
        there = await self._db.read(lambda db: doomed(db, scope, wanted))
        kept = f"records that stay, since others have said the same: {len(there.shared):,}"
        left = [kept] * bool(there.shared)
        if dry or not (there.named or there.shared or run):
            return Forgotten(len(there.every), len(there.derived), left="; ".join(left))
        if run and run in await self._at_work({run}):
            raise UserError(f"run {run[:12]} is at work: `guildhall cancel {run[:12]}` ends it")
        places, runs = await self._erase_traces(there)  # while the records say what to look for
        many = list(there.every.items()) if not ids else []
        for start in range(0, len(many), AT_ONCE):
            await self._db.write(partial(erase_records, gone=dict(many[start : start + AT_ONCE])))
        last, quoting = await self._db.write(lambda db: erase(db, scope, wanted))
        gone = Doomed({**there.named, **last.named}, {**there.derived, **last.derived})
        more, again = await self._erase_traces(gone)
        at_work = await self._at_work(runs | again)
        left += [f"run {one[:12]} is at work and may write of it again" for one in at_work]
        if common := Quoted(gone.texts, in_logs=False).common:
            left.append(f"texts too short or too common a word to look for them in logs: {common:,}")
        if others := await self._db.read(lambda db: elsewhere(db, gone.texts) if ids else 0):
            left.append(f"documents, or records of other projects, that say the same and stay: {others:,}")
        left += await asyncio.to_thread(self._wipe)
        every = len(gone.every)
        return Forgotten(every, len(gone.derived), places + more + quoting, "; ".join(left))

    async def _erase_traces(self, gone: Doomed) -> tuple[int, set[str]]:
        """How many rows of logs said something of it, which they do no more, and of which runs they are."""
        quoted = await asyncio.to_thread(Quoted, gone.texts)
        found = await self._db.read(lambda db: traces.traces(db, quoted))
        places = 0
        for start in range(0, len(found), traces.AT_ONCE):
            some = found[start : start + traces.AT_ONCE]
            places += await self._db.write(partial(traces.erased, quoted=quoted, found=some))
        return places, traces.runs_of(found)

    async def _at_work(self, runs: Collection[str]) -> list[str]:
        """Those of the runs on which a living process works."""

        def holders(db: sqlite3.Connection) -> dict[str, str]:
            rows = db.execute("SELECT id, holder FROM runs WHERE status = 'running'").fetchall()
            return {id_: holder for id_, holder in rows if id_ in runs}

        held = await self._db.read(holders)
        living = Liveness(self._db.path.parent / "locks", needed=False)
        return [id_ for id_, holder in held.items() if await asyncio.to_thread(living.alive, holder)]

    def _wipe(self) -> list[str]:
        """Have neither the index nor the files hold what was deleted; what could not be done."""
        left = self._clear_index()
        if not self._db.wipe():
            left.append("another process reads the database: old pages go when it ends")
        left += [f"{path} is a copy that has it still" for path in repair.copies(self._db.path)]
        return left

    def _clear_index(self) -> list[str]:
        """Have what was indexed before the index was to begin anew gone; what could not be done."""
        from .index import Index

        try:
            index = Index.configured(self._db)
            with contextlib.closing(index), contextlib.closing(self._db.connect()) as db:
                return index.clear(db)
        except Exception as error:  # noqa: BLE001  of a lock, a disk; the ledger has forgotten it
            return [f"the index holds its vectors until it is built anew: {describe(error)}"]

    async def backup(self, path: str | Path) -> Path:
        """The new file, a copy of the whole database: all projects, with the logs of runs."""
        return await asyncio.to_thread(backup.backed_up, self._db, Path(path))

    async def export(self, path: str | Path, *, scope: str = "") -> int:
        """How many records of the scope are in the new file: JSON lines, signed with the user's key."""
        return await asyncio.to_thread(backup.exported, self._db, self._scope(scope), Path(path))

    async def load(self, path: str | Path, *, scope: str = "", foreign: bool = False) -> Imported:
        """What became of the records of an export, which are of the scope from now on.

        What was forgotten stays so. Raises UserError for an export that was changed, and for one of somebody
        else's unless `foreign`: its records are quarantined then.
        """
        records = await asyncio.to_thread(backup.read, Path(path), self._db.path.parent, foreign=foreign)
        scope = self._scope(scope)
        return await self._db.write(lambda db: backup.taken_in(db, records, scope))

    async def stats(self, *, scope: str = "") -> Stats:
        """How much of what there is."""
        scope = self._scope(scope)
        return await self._db.read(lambda db: counted(db, scope))

    async def audit(self, *, scope: str = "") -> list[Finding]:
        """What is wrong with what is remembered: duplicates, conflicts, what is stale, secrets, junk.

        Nothing is changed; each finding says what would mend it.
        """
        scope = self._scope(scope)
        return await self._db.read(lambda db: audited(db, scope))

    async def served(self) -> list[str]:
        """In a line each, which way the vectors of each project are looked for, and how the index is."""
        from .index import Index

        def looked() -> list[str]:
            index = Index.configured(self._db)
            try:
                with contextlib.closing(self._db.connect()) as db:
                    return index.describe(db)
            finally:
                index.close()

        return await asyncio.to_thread(looked)

    async def check(self) -> list[str]:
        """What is wrong with the database; nothing where it is sound."""
        return [*await self._db.read(repair.checked), *await self._db.write(repair.unindexed)]

    async def rebuild(self) -> Repaired:
        """What was wrong, once all that can be made of the records is made anew: the indexes of words now,
        those of vectors when they are next needed.

        Raises StoreError where the file itself is damaged: `repair.rescued` saves what can be read of it.
        """
        if damage := await self._db.read(repair.checked):
            raise StoreError("memory_damaged", f"{self._db.path} is damaged: {'; '.join(damage)}")
        problems = await self._db.write(repair.unindexed)
        await self._db.write(repair.rebuild)
        await asyncio.to_thread(self._clear_index)  # what it cannot reach now is removed later
        return Repaired(tuple(problems))

    def _scope(self, scope: str) -> str:
        return given.scope(scope) if scope else self.scope
