"""Conversations of several projects over months, and questions about them with labelled evidence.

    python benchmarks/recall_data.py [tuning|held_out] [--seed 1] [FILE.json]

Each set is made from sentences of its own (data/recall_*.yaml), the same for the same seed. A project is a
number of sessions of a few people; what is asked about is spread over them between small talk, remarks that
name the same things and say nothing, and scenes that differ only in what they are about. Decisions change
over the months. Who asks does not remember the words: some wrap the question, some mistype it.
"""

import argparse
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml
from recall_format import CATEGORIES, DataSet, Item, Question, write
from recall_speech import Speech, capital, mistyped

from guildhall.memory.words import STOP

DATA = Path(__file__).parent / "data"
SETS = ("tuning", "held_out")
PER_CATEGORY = 130
"""Questions of a category, if so many were found."""
INTERRUPTED = 0.12
TYPED_ALONG, MISTYPED = 0.25, 0.06
"""Of the questions: without capitals and question marks; with two letters swapped."""
ALONE = 0.4
"""Of the decisions and single remarks: noted outside of any conversation."""
WHY = ("Why?", "How come?", "Why that one?")
NAMES = {
    "single": "single fact", "several": "several facts", "temporal": "temporal", "who": "who said",
}  # fmt: skip


@dataclass(eq=False)
class Line:
    """What somebody is going to say."""

    who: str
    text: str
    kind: str = "episode"
    subject: str | None = None
    alone: bool = False
    plain: bool = False
    """Whether it is said as it stands, because the words matter."""


@dataclass
class Session:
    at: datetime
    people: list[str]
    blocks: list[list[Line]] = field(default_factory=list)


@dataclass
class Asked:
    """A question whose evidence has no ids yet."""

    category: str
    query: str
    lines: Sequence[Line]
    as_of: float | None = None
    plain: bool = False


def made(name: str, seed: int = 1) -> DataSet:
    """The set of that name."""
    bank = yaml.safe_load((DATA / f"recall_{name}.yaml").read_text("utf-8"))
    chance = Random(f"{name} {seed}")
    items: list[Item] = []
    questions: list[Question] = []
    for project in bank["projects"]:
        told = _Project(bank, project, chance)
        told.fill()
        ids = told.items(items)
        questions += told.questions(ids)
    texts = {item.id: item.text for item in items}
    questions = [one for one in questions if one.category != "paraphrase" or _says_otherwise(one, texts)]
    chosen: list[Question] = []
    for category in CATEGORIES:
        of_it = [one for one in questions if one.category == category]
        chosen += chance.sample(of_it, min(PER_CATEGORY, len(of_it)))
    return DataSet(f"{name}, seed {seed}", sorted(items, key=lambda item: item.at), chosen)


class _Project:
    """All that is said in one project, and what can be asked about it."""

    def __init__(self, bank: Mapping[str, Any], project: Mapping[str, Any], chance: Random) -> None:
        self._bank, self._name, self._chance = bank, project["name"], chance
        self._slots = {**bank["slots"], "thing": project["thing"], "customer": project["customer"]}
        own = bank["per_project"]
        self._people = chance.sample(bank["people"], own["people"])
        self._speech = Speech(bank, self._slots, self._people, chance)
        start = datetime.combine(bank["start"], datetime.min.time(), UTC)
        days = sorted(chance.sample(range(bank["months"] * 30), own["sessions"]))
        self._sessions = [
            Session(
                start + timedelta(days=day, minutes=chance.randint(8 * 60, 17 * 60)),
                chance.sample(self._people, chance.randint(3, own["people"])),
            )
            for day in days
        ]
        self._asked: list[Asked] = []
        self._at: dict[int, datetime] = {}

    def fill(self) -> None:
        """Say all of it."""
        for chain in self._some(self._bank["decisions"], self._bank["per_project"]["chains"]):
            self._decide(chain)
        for each in self._bank["monthly"]:
            self._each_month(each)
        for theme in self._bank["collections"]:
            self._collect(theme)
        left_out = self._bank["per_project"]["left_out"]
        for remark in self._some(self._bank["oblique"], len(self._bank["oblique"]) - left_out, "oblique"):
            self._remark(remark)
        self._scenes()
        for query in self._chance.sample(self._bank["absent"], 4):
            self._ask("absent", query, [])

    def items(self, items: list[Item]) -> dict[int, str]:
        """Add what was said, and give the id of each line."""
        ids: dict[int, str] = {}
        small = self._bank["chatter"]
        for number, session in enumerate(self._sessions):
            said: list[Line] = []
            self._chance.shuffle(session.blocks)
            for block in session.blocks:
                while self._chance.random() < small:
                    said.append(self._chat(session))
                for line in block:
                    said.append(line)
                    if self._chance.random() < INTERRUPTED:
                        said.append(self._chat(session))
            turn = 0
            for place, line in enumerate(said):
                turn += not line.alone
                id_ = f"{self._name}/{number}/{place}"
                at = (session.at + timedelta(seconds=40 * place)).timestamp()
                ids[id(line)] = id_
                text = self._speech.styled(line.who, line.text, plain=line.plain)
                items.append(
                    Item(
                        id=id_, text=text, at=at, scope=self._name, speaker=line.who,
                        session="" if line.alone else f"{self._name}/{number}",
                        turn=0 if line.alone else turn, kind=line.kind, subject=line.subject,
                    )
                )  # fmt: skip
        return ids

    def questions(self, ids: Mapping[int, str]) -> Iterator[Question]:
        for one in self._asked:
            filters: dict[str, Any] = {"scope": self._name}
            if one.as_of is not None:
                filters["as_of"] = one.as_of
            query = one.query if one.plain else self._chance.choice(self._bank["asking"]).format(q=one.query)
            if self._chance.random() < TYPED_ALONG:
                query = query.lower().rstrip("?.")
            if not one.plain and self._chance.random() < MISTYPED:
                query = mistyped(self._chance, query)
            yield Question(query, one.category, tuple(ids[id(line)] for line in one.lines), filters)

    def _scenes(self) -> None:
        """Fill the sessions up with scenes; what was not said of a scene can be asked for in vain."""
        low, high = self._bank["blocks_a_session"]
        kinds = [*self._bank["scenes"], None]
        left = {scene["name"]: self._keys(scene) for scene in self._bank["scenes"]}
        topics = self._some(self._bank["opinions"]["topics"], len(self._bank["opinions"]["topics"]))
        for session in self._sessions:
            for _ in range(self._chance.randint(low, high)):
                scene = self._chance.choice(kinds)
                if scene is None:
                    if topics:
                        self._opine(session, topics.pop())
                elif left[scene["name"]]:
                    self._play(session, scene, left[scene["name"]].pop())
        for scene in self._bank["scenes"]:
            for key in left[scene["name"]][:2]:
                queries = [query for ask in scene["asks"] for query in ask["query"]]
                self._chance.shuffle(queries)
                if usable := [query for query in queries if _slots(query) <= key.keys()]:
                    self._ask("absent", usable[0].format(**key), [])

    def _keys(self, scene: Mapping[str, Any]) -> list[dict[str, str]]:
        """What the scenes of a kind can be about, each once in a project."""
        (name,) = scene["key"]
        if name in {"A", "B", "C"}:
            values = list(self._people)
        else:
            values = list(scene["slots"].get(name) or self._slots[name])
        self._chance.shuffle(values)
        return [{name: value} for value in values]

    def _play(self, session: Session, scene: Mapping[str, Any], key: Mapping[str, str]) -> None:
        roles = self._roles(session)
        for role, who in key.items():
            if role in roles:  # somebody else gives the role up
                other = next((one for one, name in roles.items() if name == who), role)
                roles[other], roles[role] = roles[role], who
        values = {**self._speech.drawn(scene["slots"]), **roles, **key}
        lines = [
            Line(roles[who], self._speech.text(self._chance.choice(says), values))
            for who, *says in scene["turns"]
        ]  # fmt: skip
        session.blocks.append(lines)
        self._echo(session, next(iter(key.values())))
        for ask in scene["asks"]:
            query = self._chance.choice(ask["query"]).format(**values)
            self._ask(NAMES[ask["category"]], query, [lines[at] for at in ask["from"]])

    def _opine(self, session: Session, topic: str) -> None:
        bank = self._bank["opinions"]
        people = self._some(session.people, len(session.people))
        lines = [Line(people[0], self._chance.choice(bank["opening"]).format(topic=topic), plain=True)]
        sides = ["for", "against", *self._chance.choices(["for", "unsure"], k=len(people))]
        views = []
        for who, side in zip(people, sides, strict=False):
            reason = self._chance.choice(bank["reasons"])
            line = Line(who, capital(self._chance.choice(bank[side]).format(reason=reason)))
            views.append((who, side, line))
        lines += [line for _, _, line in views]
        session.blocks.append(lines)
        self._echo(session, topic)
        who, _, line = self._chance.choice(views)
        self._ask("who said", self._chance.choice(bank["asks"]["said"]).format(who=who, topic=topic), [line])
        side = self._chance.choice(["for", "against"])
        of_side = [line for _, its, line in views if its == side]
        category = "who said" if len(of_side) == 1 else "several facts"
        self._ask(category, self._chance.choice(bank["asks"][side]).format(topic=topic), of_side)

    def _decide(self, chain: Mapping[str, Any]) -> None:
        """A decision that is made, and made again; the time of each is in a session of its own."""
        often = self._chance.randint(2, 4)
        options = self._some(chain["options"], often)
        places = sorted(self._chance.sample(range(len(self._sessions)), often))
        made: list[tuple[datetime, Line]] = []
        for at, (place, new) in enumerate(zip(places, options, strict=True)):
            session, old = self._sessions[place], options[at - 1]
            says = chain["first"] if at == 0 else chain["change"]
            other = self._chance.choice([one for one in chain["options"] if one != new])
            talk = [
                Line(self._anyone(session), capital(one.format(old=old if at else other, new=new)))
                for one in self._some(chain["talk"], self._chance.randint(1, 3))
            ]
            who = self._anyone(session)
            line = Line(
                who, self._speech.text(self._chance.choice(says), {"old": old, "new": new}), "decision",
                chain["subject"], alone=self._chance.random() < ALONE,
            )  # fmt: skip
            made.append((session.at, line))
            block = [*talk, line]
            if not line.alone and self._chance.random() < 0.6:
                asks = Line(self._anyone(session), self._chance.choice(WHY))
                why = Line(who, self._chance.choice(chain["why"]))
                block += [asks, why]
                query = self._chance.choice([f"What was the reason to choose {new}?", f"Why {new}?"])
                self._ask("single fact", query, [why])
            session.blocks.append(block)
            if at and self._chance.random() < 0.25:
                query = f"When did we go from {old} to {new}?"
                self._ask("temporal", query, [line])
            elif at == 0 and self._chance.random() < 0.25:
                self._ask("who said", f"Who told us about {new} being the choice?", [line])
        self._ask_decision(chain, made)

    def _ask_decision(self, chain: Mapping[str, Any], made: Sequence[tuple[datetime, Line]]) -> None:
        for query in self._some(chain["asks"], 2):
            self._ask("current decision", query, [made[-1][1]])
        ends = [*(at for at, _ in made[1:]), self._sessions[-1].at + timedelta(days=20)]
        for (since, line), until in self._some(list(zip(made, ends, strict=True)), 2):
            then = since + (until - since) / 2
            query = self._chance.choice(chain["then"]).rstrip("?")
            said = self._chance.choice([f"in {then:%B}", f"in {then:%B %Y}", f"on {then.day} {then:%B}"])
            self._asked.append(Asked("as of", f"{query} {said}?", [line], then.timestamp()))

    def _each_month(self, each: Mapping[str, Any]) -> None:
        months: defaultdict[tuple[int, int], list[Session]] = defaultdict(list)
        for session in self._sessions:
            months[session.at.year, session.at.month].append(session)
        for sessions in months.values():
            session = self._chance.choice(sessions)
            values = {**self._speech.drawn(each["slots"]), **self._roles(session)}
            line = Line(self._anyone(session), self._speech.text(self._chance.choice(each["says"]), values))
            session.blocks.append([line])
            if self._chance.random() < 0.5:
                query = self._chance.choice(each["asks"]).format(month=f"{session.at:%B}")
                self._ask("temporal", query, [line])

    def _collect(self, theme: Mapping[str, Any]) -> None:
        """The same said of a few things, over the months; asked for are all of them, twice."""
        items = self._chance.sample(self._slots[theme["item"]], self._chance.randint(2, 5))
        sessions = self._chance.sample(self._sessions, len(items))
        lines = []
        for item, session in zip(items, sessions, strict=True):
            line = Line(
                self._anyone(session), self._speech.text(self._chance.choice(theme["says"]), {"item": item})
            )
            session.blocks.append([line])
            lines.append(line)
        for query in theme["asks"]:
            self._ask("several facts", query, lines)

    def _remark(self, remark: Mapping[str, Any]) -> None:
        session = self._chance.choice(self._sessions)
        values = {**self._speech.drawn(remark["slots"]), **self._roles(session)}
        text = self._speech.text(self._chance.choice(remark["says"]), values)
        alone = self._chance.random() < ALONE
        line = Line(self._anyone(session), text, "fact" if alone else "episode", alone=alone, plain=True)
        session.blocks.append([line])
        self._asked.append(Asked("paraphrase", self._chance.choice(remark["asks"]), [line], plain=True))

    def _echo(self, session: Session, it: str) -> None:
        """Have it named in other sessions, where nothing is said about it."""
        for _ in range(self._chance.choice([0, 0, 1, 2])):
            other = self._chance.choice(self._sessions)
            if other is not session:
                text = capital(self._chance.choice(self._bank["echoes"]).format(it=self._named(it)))
                other.blocks.append([Line(self._anyone(other), text)])

    def _named(self, it: str) -> str:
        return f"the {it}" if it in self._slots["thing"] else it

    def _chat(self, session: Session) -> Line:
        return Line(
            self._anyone(session), self._speech.text(self._chance.choice(self._bank["chatter_lines"]), {})
        )

    def _ask(self, category: str, query: str, lines: Sequence[Line]) -> None:
        self._asked.append(Asked(category, query, lines))

    def _roles(self, session: Session) -> dict[str, str]:
        return dict(zip("ABC", self._some(session.people, 3), strict=True))

    def _anyone(self, session: Session) -> str:
        """Somebody who is there; at times an agent."""
        if self._chance.random() < 0.07:
            return str(self._chance.choice(self._bank["agents"]))
        return self._chance.choice(session.people)

    def _some(self, values: Sequence[Any], count: int, absent: str = "") -> list[Any]:
        """So many of them in any order; of the others it is asked in vain, if they are named."""
        mixed = self._chance.sample(values, len(values))
        if absent:
            for one in mixed[count:]:
                self._ask("absent", self._chance.choice(one["asks"]), [])
        return mixed[:count]


def _slots(template: str) -> set[str]:
    return {part.split("}")[0] for part in template.split("{")[1:]}


def _says_otherwise(question: Question, texts: Mapping[str, str]) -> bool:
    """Whether the question shares no telling word with what answers it, by the stems of the index."""
    asked = _stems(question.query)
    return not any(asked & _stems(texts[id_]) for id_ in question.evidence)


@cache
def _stems(text: str) -> frozenset[str]:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE said USING fts5 (text, tokenize='porter unicode61')")
    db.execute("CREATE VIRTUAL TABLE stems USING fts5vocab (said, row)")
    words = " ".join(word for word in text.lower().split() if word.strip(".,?!:'") not in STOP)
    db.execute("INSERT INTO said VALUES (?)", (words,))
    stems = frozenset(row[0] for row in db.execute("SELECT term FROM stems"))
    db.close()
    return stems


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("name", nargs="?", choices=SETS, default="tuning")
    parser.add_argument("file", nargs="?", type=Path, help="where to write it as JSON")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    data = made(given.name, given.seed)
    if given.file:
        write(data, given.file)
    print(f"{data.name}: {len(data.items):,} records, {len(data.questions):,} questions")
    for category, count in Counter(one.category for one in data.questions).items():
        print(f"  {category}: {count}")
