"""A team of each pattern, what its model says, and the chain of calls that a user waits for at best."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from guildhall.agents import Agent, Member, ModelRequest
from guildhall.agents.message import Quote
from guildhall.agents.models.base import Model
from guildhall.agents.patterns import (
    Auto,
    Debate,
    FirstValid,
    Graph,
    GroupChat,
    Handoff,
    Hierarchy,
    Loop,
    Map,
    Parallel,
    PeerToPeer,
    Pipeline,
    Router,
    Step,
    Swarm,
    Vote,
)
from guildhall.agents.patterns.checks import Acceptance, Check, Quality
from guildhall.agents.patterns.supervised import Supervised
from guildhall.agents.patterns.watchdog import Watchdog
from guildhall.agents.rules import PLAIN

Said = str | Callable[[ModelRequest], str]
Reply = Callable[[ModelRequest], str]
TASK = "Weigh the three offers for the new database and say which one to take."
TEXT = "The second offer: it is the cheapest that meets every need.\n\nAnswer: the second"


@dataclass(frozen=True)
class Case:
    name: str
    ideal: int
    """Calls, one after the other, that nobody could do with fewer of."""
    team: Callable[[Model], Member]
    says: Mapping[str, Said] = field(default_factory=dict)
    """What the model says in place of what is usual: by the kind that is wanted, or else by `text`."""
    task: str = TASK

    def reply(self, request: ModelRequest) -> str:
        """A text, or the typed answer that is asked for."""
        said = {**USUAL, **self.says}[str((request.output or {}).get("title", "text"))]
        return said if isinstance(said, str) else said(request)


def who(request: ModelRequest) -> str:
    """Whose call it is."""
    found = re.match(r"You are (\w+)", request.turns[0].text)
    assert found is not None
    return found[1]


def shown(request: ModelRequest) -> Mapping[str, Quote]:
    """What is quoted, but for what was remembered of earlier runs."""
    quotes = (quote for turn in request.turns for quote in turn.quotes)
    return {quote.label: quote for quote in quotes if quote.kind != "memory"}


def typed(**fields: object) -> str:
    return json.dumps(fields)


def offered(request: ModelRequest) -> str:
    """The first of those who can be named."""
    return next(label for label, quote in shown(request).items() if quote.kind == "specialist")


USUAL: Mapping[str, Said] = {
    "text": TEXT,
    "Review": typed(accepted=True, reason="it does what was asked"),
    "Score": typed(score=1.0, reason="nothing is missing"),
    "Challenge": typed(refuted=False, reason="nothing speaks against it"),
    "Verdict": typed(winner="proposal A", answer="", reason="it is shown best", dissent=""),
    "Ballot": lambda request: typed(ranking=[_own(request)], confidence=0.8, reason="it is right"),
    "Choice": lambda request: typed(choice=[*shown(request)][-1], reason="it is right"),
    "Route": lambda request: typed(worker=offered(request), confidence=0.9, reason="its field"),
    "Speaker": lambda request: typed(speaker=offered(request), reason="its turn"),
    "Findings": lambda request: typed(
        findings=[{"about": "", "text": f"what {who(request)} found", "sources": []}], done=False
    ),
    "Post": typed(answer="All is said.", letters=[]),
}


def _own(request: ModelRequest) -> str:
    """The answer that the voter gave itself, or the first option."""
    own = [label for label, quote in shown(request).items() if f"Answer: {who(request)}" in quote.text]
    return own[0] if own else "first"


def agent(model: Model, name: str, role: str = "") -> Agent:
    return Agent(name, f"You are {name}.", [model], role=role or name)


def agents(model: Model, *names: str) -> list[Agent]:
    return [agent(model, name) for name in names]


def three(model: Model) -> list[Agent]:
    return agents(model, "ann", "bob", "cid")


def last(model: Model) -> Agent:
    return agent(model, "last")


def graph(model: Model) -> Member:
    steps = [Step("a", "ann", "a"), Step("b", "ann", "b"), Step("c", "ann", "c", ("a",))]
    return Graph("graph", agents(model, "ann"), [*steps, Step("d", "ann", "d", ("b", "c"))])


def step(id_: str, worker: str, needs: Sequence[str] = (), acceptance: str = "") -> Mapping[str, object]:
    task = {"id": id_, "worker": worker, "task": f"Do {id_}.", "needs": needs, "priority": 0}
    return task | {"model": "", "expected": "a line", "acceptance": acceptance}


def plan(*checked: str) -> str:
    """Twelve steps in three chains of four; those that are `checked` have to be accepted."""
    steps = []
    for chain, worker in (("a", "ann"), ("b", "bob"), ("c", "cid")):
        for place in range(1, 5):
            id_ = f"{chain}{place}"
            needs = [f"{chain}{place - 1}"] if place > 1 else []
            acceptance = "it says which" if id_ in checked else ""
            steps.append(step(id_, worker, needs, acceptance))
    return typed(steps=steps, engage=[])


def nested_plan(request: ModelRequest) -> str:
    return typed(steps=[step("s", offered(request))], engage=[])


def hierarchy(model: Model) -> Member:
    return Hierarchy("hierarchy", three(model), agent(model, "manager"))


def of_hierarchies(model: Model) -> Member:
    inner = Hierarchy("inner", agents(model, "ann"), agent(model, "deputy"))
    return Hierarchy("outer", [inner], agent(model, "manager"))


def specialists(model: Model) -> list[Agent]:
    roles = {"coder": "writes and debugs Python code", "translator": "translates texts into other languages"}
    return [agent(model, name, role) for name, role in roles.items()]


def not_mine(request: ModelRequest) -> str:
    return "NOT MINE: it is a text" if who(request) == "coder" else TEXT


def second_is_better(request: ModelRequest) -> str:
    better = any("Second version" in quote.text for quote in shown(request).values())
    return typed(score=0.9 if better else 0.4, reason="as good as it is")


def another_version(request: ModelRequest) -> str:
    return "Second version." if "your last version" in shown(request) else "First version."


def asks_bob(request: ModelRequest) -> str:
    """Ann asks Bob, who responds."""
    letters = [label for label in shown(request) if re.match(r"m\d+ from", label)]
    to, kind = ("bob", "request") if who(request) == "ann" else ("ann", "response")
    letter = {"to": to, "type": kind, "topic": "", "text": "the price", "priority": 0,
              "requires_response": kind == "request", "seconds": 0}  # fmt: skip
    writes = not letters if who(request) == "ann" else bool(letters)
    return typed(answer="So far.", letters=[letter] if writes else [])


def passes_on(request: ModelRequest) -> str:
    to = {"ann": "bob", "bob": "cid", "cid": ""}[who(request)]
    return typed(answer=f"{who(request)} knows more.", to=to, reason="its field")


def answers_alone(request: ModelRequest) -> str:
    return f"I hold this.\n\nAnswer: {who(request)}"


def supervised(model: Model) -> Member:
    checks: list[Check] = [
        Quality(agent(model, "judge")),
        Acceptance(agent(model, "critic"), "it says which"),
    ]
    team = Parallel("parallel", three(model), last(model))
    return Supervised(team, PLAIN, checks=checks, watchdog=Watchdog())


def at_length(request: ModelRequest) -> str:
    """Much from a part, and little from what others have found."""
    reads = any(quote.kind == "document" for quote in shown(request).values())
    return "A clause of the contract says so. " * 150 if reads else TEXT


CODE = "Write a Python function that adds two numbers."
EACH = "Describe the climate of Rome, Oslo, Cairo and Lima."
VAGUE = "Have a look at this, please."
LONG = "\n\n".join(f"Offer {number}: " + "a clause of the contract. " * 60 for number in range(18))

CASES = (
    Case("pipeline of 3", 3, lambda m: Pipeline("pipeline", three(m))),
    Case(
        "pipeline of 2, the first checked", 3,
        lambda m: Pipeline(
            "pipeline", agents(m, "ann", "bob"),
            checks={"ann": Acceptance(agent(m, "critic"), "it says which")},
        ),
    ),
    Case("parallel of 3 + synthesizer", 2, lambda m: Parallel("parallel", three(m), last(m))),
    Case("map over parts + synthesizer", 2, lambda m: Map("map", three(m), last(m), 4_000), task=LONG),
    Case(
        "map, findings in groups first", 3, lambda m: Map("map", three(m), last(m), 4_000),
        {"text": at_length}, LONG,
    ),
    Case("graph of 4, depth 3", 3, graph),
    Case("hierarchy, 12 steps, depth 4", 6, hierarchy, {"Plan": plan()}),
    Case("the same, 2 checked on a chain, 1 beside", 8, hierarchy, {"Plan": plan("a2", "a3", "b1")}),
    Case("hierarchy in a hierarchy", 5, of_hierarchies, {"Plan": nested_plan}),
    Case("router by rule", 1, lambda m: Router("router", specialists(m), last(m)), task=CODE),
    Case("router, second opinion", 2, lambda m: Router("router", specialists(m), last(m)), task=VAGUE),
    Case("router, handed back", 2, lambda m: Router("router", specialists(m)), {"text": not_mine}, CODE),
    Case(
        "debate of 3, 2 rounds, no gate", 6,
        lambda m: Debate("debate", three(m), last(m), rounds=2, challenge=False),
    ),
    Case("debate of 3 that ends at the gate", 2, lambda m: Debate("debate", three(m), last(m))),
    Case(
        "debate of 3, both orders judged", 4,
        lambda m: Debate("debate", three(m), last(m), challenge=False, swap=True),
    ),
    Case("group chat of 3, 4 speeches", 5, lambda m: GroupChat("chat", three(m), None, 4, last(m))),
    Case("group chat of 3, moderated", 7, lambda m: GroupChat("chat", three(m), agent(m, "moderator"), 3)),
    Case(
        "peer to peer, a question", 4, lambda m: PeerToPeer("peers", agents(m, "ann", "bob"), last(m)),
        {"Post": asks_bob},
    ),
    Case("vote of 5 over options", 1, lambda m: Vote("vote", agents(m, *"abcde"), ["first", "second"])),
    Case(
        "vote of 3 over answers, a tie", 3, lambda m: Vote("vote", three(m), judge=last(m)),
        {"text": answers_alone},
    ),
    Case("5 samples of one", 1, lambda m: Vote("samples", agents(m, "ann"), samples=5)),
    Case(
        "first valid of 3, checked", 2,
        lambda m: FirstValid("first", three(m), Acceptance(agent(m, "critic"), "it says which")),
    ),
    Case(
        "loop of 2 versions", 4, lambda m: Loop("loop", agents(m, "ann"), agent(m, "critic")),
        {"text": another_version, "Score": second_is_better},
    ),
    Case("swarm of 3, 2 turns each", 3, lambda m: Swarm("swarm", three(m), last(m))),
    Case("handoff through 3", 3, lambda m: Handoff("handoff", three(m)), {"Passing": passes_on}),
    Case(
        "auto, one alone", 1,
        lambda m: Auto("auto", specialists(m), {}, agent(m, "moderator")), task=CODE,
    ),
    Case(
        "auto, in parallel", 2,
        lambda m: Auto("auto", three(m), {"parallel": Parallel("parallel", three(m), last(m))}), task=EACH,
    ),
    Case("supervised: parallel, 2 checks at once", 3, supervised),
    Case(
        "parallel of 2 pipelines of 2", 3,
        lambda m: Parallel(
            "parallel",
            [Pipeline("one", agents(m, "ann", "bob")), Pipeline("two", agents(m, "cid", "dan"))],
            last(m),
        ),
    ),
)  # fmt: skip
