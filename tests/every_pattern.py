"""One small team of each pattern, and members who do whatever any pattern asks of them.

A new pattern is tested by a line in EVERY: the keys that its team file would have, and what holds of it.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from obliging import WORD, obliging, quotes_of, without_quotes
from pydantic import ValidationError
from support import Books

from guildhall.agents import Agent, Budget, Member, Message, ModelReply, ModelRequest, Quote, Run, Usage
from guildhall.agents.budget import NOTHING, Meter
from guildhall.agents.config import Tier
from guildhall.agents.event import Replied
from guildhall.agents.kinds import Wanted
from guildhall.agents.models.base import Model, OnText
from guildhall.agents.pattern_specs import PATTERNS
from guildhall.agents.patterns.supervised_spec import supervised
from guildhall.agents.result import Collector
from guildhall.agents.spec_types import TeamSpec
from guildhall.agents.state import RunState

NAMES = ("ann", "bob", "cyd")
HEAD = "head"
"""Whoever judges, manages, moderates or sums up."""
TASK = "When was the pier of Larvik built?"
NOTES = "The pier of Larvik was built in 1887."
LONG = "\n\n".join(f"## Year {year}\n\n" + "Nothing was built. " * 70 for year in range(1880, 1890))
"""Longer than one part of a map, with what is in NOTES."""
SUPERVISED: Mapping[str, Any] = {
    "checks": [{"check": "acceptance", "judge": HEAD, "criteria": "It is mended."}, "citations"],
    "conflicts": {"rule": "judge", "judge": HEAD},
    "watchdog": {"then": "retry", "repeats": 5},
}
"""What a team's file says to have it looked after."""
BROKEN = "xqbrokenqx"
"""Stands in every error that a model is made to raise."""


@dataclass(frozen=True)
class Sample:
    """A team of a pattern."""

    pattern: str
    keys: Mapping[str, Any] = field(default_factory=dict)
    task: str = TASK
    notes: str = NOTES
    needed: str = ""
    """Without whom it has no answer at all."""
    last: str = HEAD
    """Who is asked last, and is shown what those in `shown` have said."""
    shown: str = "ann bob cyd"
    anonymous: bool = False
    """Whether nobody is told whose words are whose."""
    label: str = ""

    def __str__(self) -> str:
        return f"{self.pattern}-{self.label}" if self.label else self.pattern

    @property
    def message(self) -> Message:
        return Message(text=self.task, quotes=(Quote(label="notes.md", kind="document", text=self.notes),))

    def spec(self, name: str = "team") -> TeamSpec:
        spec = PATTERNS[self.pattern](name="team", description="d", members=NAMES, **self.keys)
        return spec.model_copy(update={"name": name})  # in a nest, a team is called as one of its members is

    def team(self, model: "Callable[[str], Model]", name: str = "team") -> Member:
        """The team, each of whose members asks the model of its name."""
        return self.of(self.agents(model), name)

    def agents(self, model: "Callable[[str], Model]") -> dict[str, Member]:
        return {who: agent(who, model(who)) for who in (*NAMES, HEAD, "extra")}

    def of(self, members: Mapping[str, Member], name: str = "team") -> Member:
        spec, cast = self.spec(name), Given(self.spec(name), members)
        return supervised(spec.made(cast), spec, cast)

    @property
    def supervised(self) -> "Sample":
        """The same team, looked after."""
        label = f"{self.label}-supervised".strip("-")
        keys = {**self.keys, **SUPERVISED}
        whole = replace(self, keys=keys, label=label, anonymous=False, last=HEAD, shown="")
        try:
            whole.spec()
        except ValidationError:  # a pattern without independent answers has no contradictions to settle
            del keys["conflicts"]
        return whole


@dataclass(frozen=True)
class Given:
    """A cast of those who are there already."""

    spec: TeamSpec
    there: Mapping[str, Member]

    def members(self, tier: Tier = "balanced") -> list[Member]:
        return [self.there[name] for name in self.spec.members]

    def role(self, key: str, tier: Tier = "strong") -> Member | None:
        return self.filled(key, tier) if self.spec.roles.get(key) else None

    def filled(self, key: str, tier: Tier = "strong") -> Member:
        return self.there[self.spec.roles[key]]

    def named(self, name: str, tier: Tier = "strong") -> Member:
        return self.there[name]

    def temporary(self, tier: Tier = "balanced") -> Agent:
        extra = self.there["extra"]
        assert isinstance(extra, Agent)
        return extra


def agent(name: str, model: Model) -> Agent:
    return Agent(name, f"You are {name}.", [model], role=f"knows what {name} knows")


class Call(NamedTuple):
    """One call of a model."""

    who: str
    kind: str
    """What is asked for: `Plan`; nothing for a text."""
    number: int
    """Of the calls of the run, from 1 on."""
    request: ModelRequest

    @property
    def prompts(self) -> list[str]:
        return [turn.prompt() for turn in self.request.turns if turn.role == "user"]


@dataclass
class Office:
    """The models of all who take part: what they are asked, and what they say."""

    instead: Callable[[Call], str | Exception | None] = lambda _: None
    """What comes in place of the obliging reply, if anything."""
    stuck_at: int | None = None
    """The call from which on nobody answers any more."""
    asked: list[Call] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)
    """Who said what."""
    stuck: asyncio.Event = field(default_factory=asyncio.Event)

    def model(self, who: str) -> "Seat":
        return Seat(self, who)


@dataclass
class Seat:
    """The model of one member."""

    office: Office
    who: str
    private: bool = True
    price: tuple[float, float] | None = (1.0, 1.0)

    @property
    def name(self) -> str:
        return f"model-of-{self.who}"

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        office, kind = self.office, str((request.output or {}).get("title", ""))
        call = Call(self.who, kind, len(office.asked) + 1, request)
        office.asked.append(call)
        on_text("on it")
        if office.stuck_at is not None and call.number >= office.stuck_at:
            office.stuck.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        said = office.instead(call)
        if isinstance(said, Exception):
            raise said
        if said is None:
            said = obliging(self.who, kind, call.prompts)
        office.said.append((self.who, said))
        return ModelReply(text=said, usage=Usage(input=10, output=5), model=self.name)


@dataclass
class Outcome:
    """What came of a run."""

    office: Office
    state: RunState
    books: Books
    collected: Collector
    answer: Message | None = None
    error: Exception | None = None

    @classmethod
    def of(cls, office: Office, state: RunState) -> "Outcome":
        """Of a run that is about to begin."""
        outcome = cls(office, state, Books(), Collector())
        state.sinks = [outcome.books, outcome.collected]
        return outcome

    @property
    def told(self) -> str:
        """All that the reader is told beside what each member came to."""
        text = self.answer.text if self.answer else str(self.error)
        return "\n".join([text, *self.state.notices])

    @property
    def failed(self) -> dict[str, str]:
        """Who has failed, and why, as the result has it."""
        said = self.collected.contributions()
        return {one.member: one.error for one in said if one.status == "failed"}


async def worked(
    member: Member, message: Message, office: Office, *, budget: Budget | None = None,
    wanted: Wanted | None = None,
) -> Outcome:  # fmt: skip
    """What comes of the message in a run that leaves nothing on disk."""
    outcome = Outcome.of(office, RunState("r" * 32, Meter(budget or Budget())))
    try:
        outcome.answer = await Run(outcome.state).give(member, message, wanted=wanted)
    except Exception as error:  # noqa: BLE001  a test looks at what it is
        outcome.error = error
    return outcome


def check_books(outcome: Outcome) -> None:
    """Every call was closed once, nothing is held, no limit is broken, and every reply is in the events."""
    assert outcome.books.balanced
    meter = outcome.state.meter
    assert meter.held == NOTHING
    assert meter.budget.calls is None or meter.spent.calls <= meter.budget.calls
    assert len(outcome.books.of(Replied)) == len(outcome.office.said)


def check_passed_on(office: Office) -> None:
    """Nobody was shown an error as an answer, or what another said as anything but a quote."""
    for call in office.asked:
        for prompt in call.prompts:
            quotes = quotes_of(prompt)
            assert BROKEN not in without_quotes(prompt), call
            for quote in quotes:
                is_answer = not quote.failed and quote.kind != "remark"
                assert not is_answer or BROKEN not in quote.text, (call.who, quote)


def authors_in(prompts: Sequence[str], said: Mapping[str, str]) -> set[str]:
    """Those whose words are quoted; `said` is who has said which word."""
    quotes = [quote for prompt in prompts for quote in quotes_of(prompt)]
    return {said[word] for quote in quotes for word in WORD.findall(quote.text)}


def check_prompts(sample: Sample, who: str, prompts: Sequence[str], said: Mapping[str, str]) -> None:
    """What somebody was asked is complete and well formed, and others' words are quotes of their authors."""
    own, quotes = "\n".join(map(without_quotes, prompts)), [one for p in prompts for one in quotes_of(p)]
    assert sample.task in own or sample.task in [one.text for one in quotes if one.kind == "task"]
    notes = "\n".join(one.text for one in quotes if (one.label, one.kind) == ("notes.md", "document"))
    if sample.pattern != "map":
        assert NOTES in notes
    elif who != HEAD:  # who puts the findings together is shown them in place of the parts
        assert "Year 188" in notes
    assert own.count("quoted-") == sum("quoted material" in prompt for prompt in prompts)
    assert [word for word in WORD.findall(own) if said[word] != who] == []
    authors: dict[str, set[str]] = {}
    for one in quotes:
        authors.setdefault(one.label, set()).update(said[word] for word in WORD.findall(one.text)[:1])
    for label, names in authors.items():
        assert len(names) < 2, (label, names)
        known = {name for name in (*NAMES, HEAD, "extra") if re.search(rf"\b{name}\b", label)}
        assert not (sample.anonymous and known), label
        if names and not _PLACES.match(label) and sample.pattern not in ("hierarchy", "graph", "auto"):
            assert names <= known, (label, names)


_PLACES = re.compile(
    r"part \d|your last version|the (?:best version|answer)|what the critic|proposal |answer \d|critique \d"
    r"|shared answer|(?:first|second) verdict|objection|acceptance|plan|team|crew"
)
"""Labels that a pattern gives in place of names."""
_STEPS = [
    {"id": "first", "member": "ann", "task": "Begin.", "output": "score"},
    {
        "id": "beside", "member": "bob", "task": "Look at it from the other side.", "needs": ["first"],
        "when": "first.score >= 0",
    },
    {
        "id": "last", "member": "cyd", "task": "Put it together.", "needs": ["first", "beside"],
        "repeat": {"to": "last", "when": "'It is' in last.text", "most": 2},
    },
]  # fmt: skip
_THEN = "First find the sources for the pier, then date it from that, and after that write the entry."
_AUTO = dict.fromkeys(("chooser", "judge", "manager", "synthesizer"), HEAD)
_EVERY: Sequence[Sample] = (
    Sample("auto", _AUTO, label="debate", task="Should we date the pier to 1887, or to 1888?", needed="",
           anonymous=True),
    Sample("auto", _AUTO, label="hierarchy", task=_THEN, needed="head"),
    Sample("debate", {"judge": HEAD, "agreement": 1.0, "rounds": 2, "swap": True}, anonymous=True),
    Sample("debate", {"judge": HEAD, "agreement": 0.0}, label="challenge", last="cyd", shown="",
           anonymous=True),
    Sample("first_valid", {"checker": HEAD, "accept": "It is about a pier."}, needed="head", shown=""),
    Sample("graph", {"steps": _STEPS}, needed="ann bob cyd", last="cyd", shown="bob cyd"),
    Sample("group_chat", {"moderator": HEAD, "rounds": 6}, shown="ann bob"),
    Sample("handoff", {"passes": 3}, last="ann", shown="ann bob"),
    Sample("hierarchy", {"manager": HEAD, "workers": "any", "most_steps": 5}, needed="head",
           shown="ann bob cyd extra"),
    Sample("loop", {"critic": HEAD, "bar": 1.0}, needed="ann bob cyd", shown="cyd"),
    Sample("map", {"synthesizer": HEAD, "part": 1_000}, notes=f"{LONG}\n\n{NOTES}"),
    Sample("parallel", {"synthesizer": HEAD, "need": 2}),
    Sample("peer_to_peer", {"synthesizer": HEAD, "turns": 8}),
    Sample("pipeline", {"checker": HEAD, "accept": {"bob": "It is mended."}}, needed="ann bob cyd",
           last="cyd", shown="ann bob"),
    Sample("router", {"judge": HEAD}, needed="bob", last="bob", shown=""),
    Sample("swarm", {"synthesizer": HEAD, "turns": 6}),
    Sample("vote", {"judge": HEAD}, anonymous=True),
    Sample("vote", {"judge": HEAD, "options": ["1887", "1888"]}, label="options", last="cyd", shown=""),
)  # fmt: skip
EVERY: Sequence[Sample] = (
    *_EVERY,
    *(one.supervised for one in _EVERY if str(one) in ("parallel", "pipeline", "debate", "hierarchy")),
)
