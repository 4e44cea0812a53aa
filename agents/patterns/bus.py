"""Letters between members: an inbox for each, subscriptions, deadlines, and who waits for whom.

Nothing here awaits or looks at a clock, so that the same letters in the same order always come to the same.
"""

import graphlib
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ..message import Message

TO_ALL = "all"
"""Whom a letter names that goes to everybody."""


class Posted(NamedTuple):
    """A letter that was posted, and what became of it."""

    letter: Message
    """With its id."""
    receivers: tuple[str, ...]
    gone: tuple[str, ...]
    """Those who would have got it, and are there no more."""
    barred: tuple[str, ...]
    """Those who may not be shown it, because it is private."""


class Inbox(NamedTuple):
    """What a member reads, the letters of the highest priority first, then by arrival."""

    letters: tuple[Message, ...]
    late: tuple[Message, ...]
    """Those that were past their deadline, and are not read."""


class Stall(NamedTuple):
    """Members wait, and nothing that can still happen would end that."""

    circle: tuple[str, ...]
    """Those who wait for each other, each for the next and the last for the first; else nobody."""
    waits: dict[str, tuple[str, ...]]
    """Who has to go on without an answer, and whose: those of the circle, or else those who wait for
    somebody who waits for nobody."""


class Bus:
    """Letters of a few members to each other.

    A letter is `to` one of them or to all. One to all reaches those who subscribed to its sender, type or
    topic, and those who subscribed to nothing. Who wrote a letter that requires a response waits until each
    receiver has written back, and meanwhile reads nothing but a question back.
    """

    def __init__(
        self,
        members: Sequence[str],
        subscriptions: Mapping[str, Sequence[str]] | None = None,
        *,
        untrusted: Collection[str] = (),
    ) -> None:
        self._inboxes: dict[str, list[Message]] = {name: [] for name in members}
        self._asked: dict[str, dict[str, list[str]]] = {name: {} for name in members}
        """Of each member, whom it has asked in which letters that are not answered."""
        wished = (subscriptions or {}).items()
        self._wishes = {name: {word.casefold() for word in words} for name, words in wished}
        self._untrusted = frozenset(untrusted)
        """Who gets no letter that is private."""
        self._gone: dict[str, Message] = {}
        self._number = 0

    # -- letters

    def post(self, letter: Message, topic: str = "", kind: str = "") -> Posted:
        """Put the letter into the inboxes of those it is for; it gets an id.

        A letter to all can be of a `kind` that is not its type, for those who subscribed to that.
        """
        letter = self._numbered(letter)
        meant = self._meant(letter, topic, kind or letter.type)
        gone = tuple(name for name in meant if name in self._gone)
        shut = self._untrusted if letter.private else frozenset()
        barred = tuple(name for name in meant if name in shut and name not in gone)
        here = tuple(name for name in meant if name not in gone and name not in barred)
        for name in here:
            self._deliver(letter, name)
        if letter.requires_response:
            for name in gone:
                self._tell(letter.sender, letter.id, self._gone[name])
            for name in barred:
                error = Message(
                    sender=name, type="error", text=f"{letter.id} is private; {name} may not see it"
                )
                self._tell(letter.sender, letter.id, error)
        return Posted(letter, here, gone, barred)

    def past(self, name: str, now: float) -> list[str]:
        """The ids of the letters in the member's inbox whose deadline is over."""
        inbox = self._inboxes[name]
        return [letter.id for letter in inbox if letter.deadline is not None and letter.deadline < now]

    def timed(self, name: str) -> list[str]:
        """The ids of the letters in the member's inbox that have a deadline."""
        return [letter.id for letter in self._inboxes[name] if letter.deadline is not None]

    def read(self, name: str, late: Collection[str] = ()) -> Inbox:
        """Empty the member's inbox. Who waited for the response to a letter that is `late` gets an error."""
        inbox, self._inboxes[name] = self._inboxes[name], []
        overdue = tuple(letter for letter in inbox if letter.id in late)
        for letter in overdue:
            if letter.id in self._asked[letter.sender].get(name, ()):
                self._answered(letter.sender, name, [letter.id])
                why = f"{letter.id} was not read before its deadline"
                self._tell(letter.sender, letter.id, Message(sender=name, type="error", text=why))
        due = (letter for letter in inbox if letter.id not in late)
        return Inbox(tuple(sorted(due, key=lambda letter: -letter.priority)), overdue)

    def unread(self) -> list[Message]:
        """All letters that nobody has read."""
        return [letter for inbox in self._inboxes.values() for letter in inbox]

    # -- members

    def ready(self, name: str) -> bool:
        """Whether the member has post, and waits for nobody but one who asks back."""
        inbox, awaited = self._inboxes[name], self._asked[name]
        asks_back = any(letter.requires_response and letter.sender in awaited for letter in inbox)
        return bool(inbox) and (not awaited or asks_back)

    def owes(self, name: str) -> list[str]:
        """Those who wait for the member, and whose letter it has read."""
        return [who for who in self._asked if self._read_by(name, who)]

    def leave(self, name: str, error: Message) -> list[Message]:
        """The letters that the member had not read. Whoever waits for it gets the error, now and later."""
        self._gone[name] = error
        unread, self._inboxes[name], self._asked[name] = self._inboxes[name], [], {}
        for who, awaited in self._asked.items():
            if ids := awaited.pop(name, None):
                self._tell(who, ids[-1], error)
        return unread

    def waits(self) -> dict[str, tuple[str, ...]]:
        """Who waits for whom."""
        return {who: tuple(awaited) for who, awaited in self._asked.items() if awaited}

    def stall(self) -> Stall | None:
        """Who has to go on without an answer, where nobody is at work and nobody is ready."""
        if not (waits := self.waits()):
            return None
        try:
            graphlib.TopologicalSorter(waits).prepare()
        except graphlib.CycleError as error:
            circle = tuple(reversed(error.args[1]))[:-1]
            following = (*circle[1:], circle[0])
            return Stall(circle, {who: (other,) for who, other in zip(circle, following, strict=True)})
        last = {
            who: awaited for who, awaited in waits.items() if not any(other in waits for other in awaited)
        }
        return Stall((), last)

    def release(self, name: str) -> None:
        """Have the member wait for nobody."""
        self._asked[name] = {}

    # -- steps

    def _meant(self, letter: Message, topic: str, kind: str) -> list[str]:
        if letter.receiver != TO_ALL:
            return [letter.receiver]
        said = {letter.sender.casefold(), kind, topic.strip().casefold()}
        others = (name for name in self._inboxes if name != letter.sender)
        return [name for name in others if name not in self._wishes or self._wishes[name] & said]

    def _deliver(self, letter: Message, name: str) -> None:
        answers = [] if letter.requires_response else self._read_by(letter.sender, name)
        if answers:
            self._answered(name, letter.sender, answers)
        if letter.requires_response:
            self._asked[letter.sender].setdefault(name, []).append(letter.id)
        more = {"receiver": name, "reply_to": answers[-1] if answers else None}
        self._inboxes[name].append(letter.model_copy(update=more))

    def _tell(self, name: str, id_: str, error: Message) -> None:
        """Tell the member why its letter is not answered."""
        told = self._numbered(error.model_copy(update={"receiver": name, "reply_to": id_}))
        self._inboxes[name].append(told)

    def _numbered(self, letter: Message) -> Message:
        self._number += 1
        return letter.model_copy(update={"id": f"m{self._number}"})

    def _read_by(self, reader: str, writer: str) -> list[str]:
        """The letters for whose response the writer waits, and which the reader has read."""
        unread = {letter.id for letter in self._inboxes[reader]}
        return [id_ for id_ in self._asked[writer].get(reader, ()) if id_ not in unread]

    def _answered(self, who: str, by: str, ids: Collection[str]) -> None:
        left = [id_ for id_ in self._asked[who][by] if id_ not in ids]
        if left:
            self._asked[who][by] = left
        else:
            del self._asked[who][by]
