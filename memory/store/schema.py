"""The tables, as the steps that led to them; a database knows how many it has taken."""

import sqlite3
import time
from collections.abc import Callable

Statement = str | Callable[[sqlite3.Connection], None]


def _index_anew(db: sqlite3.Connection) -> None:
    """Have the words of all records indexed as they are now."""
    for (scope,) in db.execute("SELECT id FROM scopes").fetchall():
        for what in _CHANGES:
            db.execute(f"DROP TRIGGER IF EXISTS words_{scope}_{what}")
        db.execute(f"DROP TABLE IF EXISTS words_{scope}")
        db.execute(f"DROP VIEW IF EXISTS texts_{scope}")
        for statement in full_text(scope):
            db.execute(statement)
        db.execute(f"INSERT INTO words_{scope} (words_{scope}) VALUES ('rebuild')")


def _hold_anew(db: sqlite3.Connection) -> None:
    """Have it worked out anew what holds of each subject."""
    from .. import holding

    subjects = "SELECT seq FROM records WHERE subject IS NOT NULL"
    holding.refresh(db, [seq for (seq,) in db.execute(subjects).fetchall()], now=time.time())


MIGRATIONS: tuple[tuple[Statement, ...], ...] = (
    (
        """CREATE TABLE runs (
            id TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            team TEXT NOT NULL,
            pattern TEXT NOT NULL,
            task TEXT NOT NULL,
            spec TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            scope TEXT NOT NULL,
            status TEXT NOT NULL,
            holder TEXT NOT NULL,
            started REAL NOT NULL,
            ended REAL,
            answer TEXT NOT NULL DEFAULT '',
            cancel INTEGER NOT NULL DEFAULT 0
        )""",
        "CREATE INDEX runs_started ON runs (started)",
        """CREATE TABLE events (
            run TEXT NOT NULL, id INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, id)
        ) WITHOUT ROWID""",
        """CREATE TABLE journal (
            run TEXT NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL, value TEXT NOT NULL,
            PRIMARY KEY (run, path)
        ) WITHOUT ROWID""",
        "CREATE TABLE files (digest TEXT PRIMARY KEY, data BLOB NOT NULL)",
        "CREATE TABLE scopes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
        """CREATE TABLE records (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            scope INTEGER NOT NULL REFERENCES scopes (id),
            text TEXT NOT NULL,
            hash TEXT NOT NULL,
            kind TEXT NOT NULL,
            subject TEXT,
            visibility TEXT NOT NULL,
            agent TEXT NOT NULL,
            model TEXT NOT NULL,
            run TEXT NOT NULL,
            host TEXT NOT NULL,
            source TEXT NOT NULL,
            source_hash TEXT NOT NULL,
            derived_from TEXT NOT NULL,
            tags TEXT NOT NULL,
            trust REAL NOT NULL,
            importance REAL NOT NULL,
            valid_from REAL NOT NULL,
            valid_to REAL,
            recorded_at REAL NOT NULL,
            superseded_by TEXT,
            status TEXT NOT NULL,
            expires_at REAL,
            pinned INTEGER NOT NULL
        )""",
        "CREATE INDEX records_hash ON records (scope, hash)",
        "CREATE INDEX records_subject ON records (scope, subject) WHERE subject IS NOT NULL",
        "CREATE INDEX records_run ON records (run)",
    ),
    (
        """CREATE TABLE limits (
            model TEXT PRIMARY KEY,
            requests REAL NOT NULL DEFAULT 0,
            tokens REAL NOT NULL DEFAULT 0,
            paused REAL NOT NULL DEFAULT 0
        ) WITHOUT ROWID""",
        """CREATE TABLE leases (
            id INTEGER PRIMARY KEY,
            model TEXT NOT NULL,
            holder TEXT NOT NULL,
            since REAL NOT NULL
        )""",
        "CREATE INDEX leases_model ON leases (model)",
        """CREATE TABLE waiting (
            model TEXT NOT NULL,
            holder TEXT NOT NULL,
            priority INTEGER NOT NULL,
            since REAL NOT NULL,
            seen REAL NOT NULL,
            tokens REAL NOT NULL,
            PRIMARY KEY (model, holder)
        ) WITHOUT ROWID""",
        """CREATE TABLE cache (
            key TEXT PRIMARY KEY,
            digest TEXT NOT NULL,
            model TEXT NOT NULL,
            value TEXT NOT NULL,
            at REAL NOT NULL
        )""",
        "CREATE INDEX cache_digest ON cache (digest, at)",
        "CREATE INDEX cache_at ON cache (at)",
        """CREATE TABLE track (
            model TEXT PRIMARY KEY,
            calls INTEGER NOT NULL,
            lost INTEGER NOT NULL,
            seconds REAL NOT NULL,
            output INTEGER NOT NULL,
            usd REAL NOT NULL
        ) WITHOUT ROWID""",
        "CREATE TABLE chores (name TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
        "ALTER TABLE records ADD COLUMN private INTEGER NOT NULL DEFAULT 0",
    ),
    ("ALTER TABLE limits ADD COLUMN at REAL NOT NULL DEFAULT 0",),
    (
        """CREATE TABLE questions (
            id TEXT PRIMARY KEY,
            run TEXT NOT NULL,
            path TEXT NOT NULL,
            who TEXT NOT NULL,
            text TEXT NOT NULL,
            options TEXT NOT NULL,
            asked REAL NOT NULL,
            deadline REAL,
            answer TEXT,
            answered REAL
        ) WITHOUT ROWID""",
        "CREATE INDEX questions_run ON questions (run)",
        """CREATE TABLE notebook (
            run TEXT NOT NULL,
            number INTEGER NOT NULL,
            task TEXT NOT NULL,
            kind TEXT NOT NULL,
            author TEXT NOT NULL,
            text TEXT NOT NULL,
            private INTEGER NOT NULL,
            at REAL NOT NULL,
            PRIMARY KEY (run, number)
        ) WITHOUT ROWID""",
        """CREATE TABLE standing (
            scope TEXT NOT NULL,
            member TEXT NOT NULL,
            matters INTEGER NOT NULL,
            held INTEGER NOT NULL,
            PRIMARY KEY (scope, member)
        ) WITHOUT ROWID""",
    ),
    (
        "ALTER TABLE records ADD COLUMN team TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE records ADD COLUMN readers TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE records ADD COLUMN place TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE records ADD COLUMN session TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE records ADD COLUMN turn INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE records ADD COLUMN closed_at REAL",
        "ALTER TABLE records ADD COLUMN head TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE records ADD COLUMN divided TEXT",
        "ALTER TABLE records ADD COLUMN words INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE records ADD COLUMN asks INTEGER NOT NULL DEFAULT 0",
        "UPDATE records SET words = length(text) / 6, closed_at = valid_to",
        "UPDATE records SET readers = 'agent:' || agent WHERE visibility = 'private'",
        "CREATE INDEX records_session ON records (scope, session, turn) WHERE session <> ''",
        "CREATE INDEX records_readers ON records (readers, scope) WHERE readers <> ''",
        "DROP INDEX records_subject",
        "CREATE INDEX records_subject ON records (scope, subject COLLATE NOCASE) WHERE subject IS NOT NULL",
        "CREATE INDEX records_source ON records (scope, source) WHERE source <> ''",
        """CREATE TABLE origins (
            record INTEGER NOT NULL REFERENCES records (seq) ON DELETE CASCADE,
            agent TEXT NOT NULL,
            model TEXT NOT NULL,
            run TEXT NOT NULL,
            host TEXT NOT NULL,
            team TEXT NOT NULL,
            source TEXT NOT NULL,
            at REAL NOT NULL,
            trust REAL NOT NULL
        )""",
        "CREATE INDEX origins_record ON origins (record)",
        # The ends that a record was given before the one that it has.
        """CREATE TABLE ends (
            record INTEGER NOT NULL REFERENCES records (seq) ON DELETE CASCADE,
            valid_to REAL,
            superseded_by TEXT,
            closed_at REAL NOT NULL
        )""",
        "CREATE INDEX ends_record ON ends (record)",
        # Pairs of which somebody has said that both hold, each way round.
        """CREATE TABLE coexisting (
            one INTEGER NOT NULL REFERENCES records (seq) ON DELETE CASCADE,
            other INTEGER NOT NULL REFERENCES records (seq) ON DELETE CASCADE,
            PRIMARY KEY (one, other)
        ) WITHOUT ROWID""",
        "CREATE INDEX coexisting_other ON coexisting (other)",
        # Records that were settled to give way to others; `moved`: to the same for more readers.
        """CREATE TABLE ways (
            winner INTEGER NOT NULL REFERENCES records (seq) ON DELETE CASCADE,
            loser INTEGER NOT NULL REFERENCES records (seq) ON DELETE CASCADE,
            at REAL NOT NULL,
            moved INTEGER NOT NULL,
            PRIMARY KEY (loser, winner)
        ) WITHOUT ROWID""",
        "CREATE INDEX ways_winner ON ways (winner)",
        "CREATE INDEX records_ended ON records (superseded_by) WHERE superseded_by IS NOT NULL",
        "CREATE TABLE tombstones (id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
        "CREATE TABLE embedders (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
        # A vector's number rises with each that is committed: it may come long after its record.
        """CREATE TABLE vectors (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            record INTEGER NOT NULL REFERENCES records (seq) ON DELETE CASCADE,
            scope INTEGER NOT NULL,
            embedder INTEGER NOT NULL REFERENCES embedders (id),
            vector BLOB NOT NULL
        )""",
        "CREATE INDEX vectors_space ON vectors (scope, embedder, seq)",
        "CREATE UNIQUE INDEX vectors_record ON vectors (record, embedder)",
        """CREATE TABLE marks (
            scope INTEGER NOT NULL,
            embedder INTEGER NOT NULL,
            epoch INTEGER NOT NULL,
            watermark INTEGER NOT NULL,
            PRIMARY KEY (scope, embedder)
        ) WITHOUT ROWID""",
        # Where vectors were given to an index, under which name; "" is the data folder.
        """CREATE TABLE indexes (
            name TEXT NOT NULL,
            place TEXT NOT NULL,
            abandoned INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (name, place)
        ) WITHOUT ROWID""",
        "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "INSERT INTO about (name, value) VALUES ('ledger', lower(hex(randomblob(8))))",
        """CREATE TABLE documents (
            scope INTEGER NOT NULL,
            path TEXT NOT NULL,
            hash TEXT NOT NULL,
            size INTEGER NOT NULL,
            changed REAL NOT NULL,
            at REAL NOT NULL,
            problem TEXT NOT NULL,
            PRIMARY KEY (scope, path)
        ) WITHOUT ROWID""",
        # Of which files and folders it was said whether what is in them is private.
        """CREATE TABLE private_paths (
            scope INTEGER NOT NULL,
            path TEXT NOT NULL,
            private INTEGER NOT NULL,
            PRIMARY KEY (scope, path)
        ) WITHOUT ROWID""",
        "ALTER TABLE notebook ADD COLUMN closes INTEGER NOT NULL DEFAULT 0",
        _index_anew,
        _hold_anew,
    ),
)


_CHANGES = ("added", "removed", "changed")


def full_text(scope: int) -> tuple[str, ...]:
    """The full-text index of one scope: one for all would weigh words by what other projects say."""
    table, view = f"words_{scope}", f"texts_{scope}"
    options = f"content='{view}', content_rowid='seq', tokenize='porter unicode61 remove_diacritics 2'"
    text = "{0}head || coalesce({0}divided, {0}text)"
    was, now = text.format("old."), text.format("new.")
    old = f"INSERT INTO {table} ({table}, rowid, text) VALUES ('delete', old.seq, {was})"
    new = f"INSERT INTO {table} (rowid, text) VALUES (new.seq, {now})"
    added, removed, changed = (f"CREATE TRIGGER {table}_{what} AFTER" for what in _CHANGES)
    said = "text, head, divided"
    return (
        f"CREATE VIEW {view} AS SELECT seq, {text.format('')} AS text FROM records WHERE scope = {scope}",
        f"CREATE VIRTUAL TABLE {table} USING fts5 (text, {options})",
        f"{added} INSERT ON records WHEN new.scope = {scope} BEGIN {new}; END",
        f"{removed} DELETE ON records WHEN old.scope = {scope} BEGIN {old}; END",
        f"{changed} UPDATE OF {said} ON records WHEN old.scope = {scope} BEGIN {old}; {new}; END",
    )
