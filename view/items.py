"""The items of a view, and the patches that carry their changes: the wire format of every viewer.

An item is a flat JSON object. It has an `id`, it `is` something, and it changes in two ways only:

    ["put", id, {field: value}]    a new item, or new values of an old one
    ["text", id, "more"]           more of its text; a put of text "" takes back what was shown

    patch     {"v": 1, "run": id, "at": seconds, "after": 6, "of": mark, "seq": 7, "mark": mark, "ops": [...]}
    snapshot  {"v": 1, "run": id, "at": seconds, "seq": 7, "mark": mark, "items": [...]}

A viewer that has seen 6 asks for what came `since` 6. It gets one patch or, where the patches it lacks are
forgotten, a snapshot; the `seq` in it is what to ask with the next time. -1 always gets a snapshot.

A view that is made anew counts from 0 again, so a number alone does not say what was seen. The `mark` stands
for all that was told up to `seq`: where the mark that a patch goes on from (`of`) is not the one that the
viewer has, it asks for a snapshot. Two processes have no mark in common.
"""

import secrets
import zlib
from collections import deque
from collections.abc import Iterator
from typing import Any, TypedDict

from .clean import clean, tame

Item = dict[str, Any]
Op = list[Any]
VERSION = 1
LONGEST = 100_000
"""Characters of one text that a view holds; the store has the rest."""
ROOM = 4_000_000
"""Characters of all texts that a view holds, the answer apart."""
MOST = 5_000
"""Items that a view holds; the run's `hidden` counts those beyond."""
KEPT = 512
"""Patches that a viewer can catch up on: 20 seconds at 25 a second."""
_FIRST = secrets.randbits(32)
"""The mark of a view of which nothing was told yet."""


class Patch(TypedDict):
    v: int
    run: str
    at: float
    after: int
    of: str
    seq: int
    mark: str
    ops: list[Op]


class Snapshot(TypedDict):
    v: int
    run: str
    at: float
    seq: int
    mark: str
    items: list[Item]


class Items:
    """Flat JSON objects by their ids. What is put and written since the last patch goes into the next one."""

    def __init__(self) -> None:
        self.seq = 0
        self._items: dict[str, Item] = {}
        self._changed: dict[str, Item] = {}
        self._grown: dict[str, int] = {}  # from which character on a text is not in a patch yet
        self._patches: deque[tuple[int, int, list[Op]]] = deque(maxlen=KEPT)  # each with the mark before it
        self._mark = _FIRST
        self._held = 0

    def __contains__(self, id_: str) -> bool:
        return id_ in self._items

    def __getitem__(self, id_: str) -> Item:
        return self._items[id_]

    def __iter__(self) -> Iterator[Item]:
        return iter(list(self._items.values()))

    def __len__(self) -> int:
        return len(self._items)

    def put(self, id_: str, /, **fields: Any) -> None:
        """Give the item these values, all of them made safe to show; a new id is a new item."""
        tamed = {name: tame(value) for name, value in fields.items()}
        self._items.setdefault(id_, {"id": id_}).update(tamed)
        self._changed.setdefault(id_, {}).update(tamed)

    def write(self, id_: str, text: str, *, anew: bool = False) -> None:
        """Add to the item's text, or put another in its place; `cut` counts what is beyond the limits."""
        item = self._items[id_]
        if anew:
            self._held -= 0 if id_ == "run" else len(item.get("text", ""))
            self.put(id_, text="", cut=0)
            self._grown[id_] = 0
        text, old = clean(text), item["text"]
        room = LONGEST - len(old)
        if id_ != "run":
            room = max(0, min(room, ROOM - self._held))
            self._held += min(room, len(text))
        self._grown.setdefault(id_, len(old))
        item["text"] = old + text[:room]
        if len(text) > room:
            self.put(id_, cut=item["cut"] + len(text) - room)

    def since(self, seq: int, *, run: str, at: float) -> Patch | Snapshot:
        """All that happened after `seq` in one patch, or else a snapshot."""
        self._close()
        first = self._patches[0][0] if self._patches else self.seq + 1
        mark = f"{self._mark:08x}"
        if 0 <= seq <= self.seq and (seq == self.seq or first <= seq + 1):
            missed = [patch for patch in self._patches if patch[0] > seq]
            of = f"{missed[0][1]:08x}" if missed else mark
            ops = [op for _, _, ops in missed for op in ops]
            return Patch(v=VERSION, run=run, at=at, after=seq, of=of, seq=self.seq, mark=mark, ops=ops)
        return Snapshot(v=VERSION, run=run, at=at, seq=self.seq, mark=mark, items=self.copies())

    def copies(self) -> list[Item]:
        return [dict(item) for item in self._items.values()]

    def _close(self) -> None:
        """End the patch that has been growing: each item is in it once, whatever happened to it."""
        puts = [["put", id_, fields] for id_, fields in self._changed.items()]
        texts = [["text", id_, self._items[id_]["text"][at:]] for id_, at in self._grown.items()]
        if ops := puts + [op for op in texts if op[2]]:
            self.seq += 1
            self._patches.append((self.seq, self._mark, ops))
            self._mark = zlib.crc32(repr(ops).encode(), self._mark)
        self._changed, self._grown = {}, {}
