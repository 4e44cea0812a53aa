"""Runs of real teams on scripted models, kept event by event, so that views can be fed with them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from asking import Asks, Person

from guildhall.agents import Agent, Budget, Hall, Member, ModelReply, Parallel, ToolCall, tool
from guildhall.agents import event as ev
from guildhall.agents.patterns import Graph, Step, Vote
from guildhall.agents.testing import ScriptedModel
from guildhall.view import View

E = TypeVar("E", bound=ev.Event)
Line = ev.Event | tuple[str, int, str]
"""An event, or some text of the reply that is written at a path: path, attempt, text."""
ANSWER = """**Renegotiate** the contract first [contract.md:3].

1. Ask for a cap of 24 months.
2. Keep the discount.
"""


@dataclass
class Recording:
    """Everything that a view is told of a run, in order."""

    lines: list[Line] = field(default_factory=list)

    def __call__(self, event: ev.Event) -> None:
        self.lines.append(event)

    def text(self, path: str, attempt: int, text: str) -> None:
        self.lines.append((path, attempt, text))

    def fed(self, view: View, *, until: type[Any] | None = None, who: str = "") -> Iterator[None]:
        """Feed the view line by line, up to and with the first event of that kind."""
        for line in self.lines:
            feed(view, line)
            yield
            if until and not isinstance(line, tuple) and isinstance(line, until) and who in ("", line.who):
                return

    def into(self, view: View, *, until: type[Any] | None = None, who: str = "") -> None:
        for _ in self.fed(view, until=until, who=who):
            pass

    def last(self, kind: type[E], *, who: str = "") -> int:
        """Where the last event of that kind stands."""
        return [at for at, line in enumerate(self.lines) if isinstance(line, kind) and who in ("", line.who)][
            -1
        ]

    def event(self, kind: type[E], *, who: str = "") -> E:
        """The last event of that kind."""
        found = self.lines[self.last(kind, who=who)]
        assert isinstance(found, kind)
        return found


def feed(view: View, line: Line) -> None:
    if isinstance(line, tuple):
        view.text(*line)
    else:
        view(line)


async def audit() -> Recording:
    """A graph with a tool, teams in it whose members have one name, a vote, and a question to the user."""
    called = ModelReply(calls=(ToolCall(id="1", name="look_up", arguments={"clause": 9}),))
    members: list[Member] = [
        Agent("reader", "Read.", [_says(called, "Clause 9 caps liability. " * 4)], [look_up], role="reads"),
        Parallel("first", [_agent("analyst", "The cap is 12 months."), _agent("critic", "It is **usual**.")]),
        Parallel("second", [_agent("analyst", "The cap is 24 months."), _agent("counsel", "It is low.")]),
        Vote("jury", [_voter("ann", "sign"), _voter("bob", "renegotiate"), _voter("cid", "renegotiate")],
             ["sign", "renegotiate"]),
        Asks("clerk", "Is the discount worth it?", ("Yes, go on", "No")),
        _agent("lead", ANSWER),
    ]  # fmt: skip
    steps = [
        Step("read", "reader", "Read the contract."),
        Step("law", "first", "What does the law say?", ("read",)),
        Step("money", "second", "What does it cost?", ("read",)),
        Step("choose", "jury", "Vote.", ("law", "money")),
        Step("ask", "clerk", "Ask.", ("choose",)),
        Step("write", "lead", "Write the answer.", ("ask", "law")),
    ]
    return await recorded(Graph("audit", members, steps), "May we sign the contract?")


async def recorded(
    team: Member, task: str, *answers: str, files: Sequence[str] = (), tokens: int = 50_000
) -> Recording:
    recording = Recording()
    async with Hall.open() as hall:
        result = await hall.run_team(
            team,
            task,
            files=files,
            budget=Budget(usd=0.5, tokens=tokens, calls=40),
            sinks=[recording],
            on_text=recording.text,
            human=Person([*answers] or ["Yes, go on"]),
        )
    assert result.status == "done", result.error
    return recording


@tool
def look_up(clause: int) -> str:
    """Look up a clause."""
    return f"{clause}.1 The liability of the provider is limited."


def _agent(name: str, answer: str) -> Agent:
    return Agent(name, "Answer.", [_says(answer)], role=f"is the {name}")


def _voter(name: str, choice: str) -> Agent:
    return Agent(name, "Vote.", [_says(f'{{"ranking": ["{choice}"], "confidence": 0.8, "reason": "so"}}')])


def _says(*steps: str | ModelReply) -> ScriptedModel:
    return ScriptedModel(*steps, name="scripted:model")
