"""What tests of long inputs share: texts with facts in them, and models that find these or refuse."""

import re
from dataclasses import dataclass, field

from guildhall.agents import Agent, Member, Message, ModelReply, ModelRequest, Quote, Run
from guildhall.agents.message import cited
from guildhall.agents.models.base import Model, OnText
from guildhall.agents.state import RunState
from guildhall.agents.testing import StubMember
from guildhall.agents.tokens import estimate, weight
from guildhall.errors import ProviderError

WINDOW = 50_000
FACT = re.compile(r"Fact (\d+): the key is K\d+\.")


@dataclass
class Reading:
    """A model that finds the facts in what it is shown, and refuses what is longer than its window."""

    window: int = WINDOW
    name: str = "reading"
    private: bool = True
    prompts: list[str] = field(default_factory=list)

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        prompt = "\n".join(turn.prompt() for turn in request.turns)
        if estimate(prompt) > self.window:
            raise ProviderError("context", f"{estimate(prompt)} tokens are more than {self.window}")
        self.prompts.append(prompt)
        found = {}
        for line in prompt.splitlines():
            if fact := FACT.search(line):
                labels = [label for label in cited(line) if ":" in label]
                found[int(fact[1])] = f"- {fact[0]} [{labels[0]}]"
        text = "\n".join(found[number] for number in sorted(found)) or "nothing"
        return ModelReply(text=text, model=self.name)


def document(tokens: int, facts: int) -> tuple[str, dict[int, int]]:
    """A text of about so many tokens, and the line of each fact in it; the facts stand evenly apart."""
    paragraph = "The parties meet in the spring of every year, and what they talk about is written down."
    many = int(tokens / weight(f"{paragraph}\n\n"))
    lines, places = ["# The contract", ""], dict[int, int]()
    for number in range(many):
        if number % 100 == 0:
            lines += [f"## Section {number // 100}", ""]
        if number % (many // facts) == many // facts // 2 and len(places) < facts:
            places[len(places) + 1] = len(lines) + 1
            lines += [f"Fact {len(places)}: the key is K{number}.", ""]
        lines += [paragraph, ""]
    return "\n".join(lines), places


def reader(name: str, model: Model) -> Agent:
    return Agent(name, "Read, and say what you find.", [model])


def material(*texts: str, **more: object) -> Message:
    quotes = [
        Quote(label=f"{name}.md", kind="document", text=text)
        for name, text in zip("abc", texts, strict=False)
    ]
    return Message(text="Which keys are there?", quotes=tuple(quotes), **more)  # type: ignore[arg-type]  # by name


async def worked_on(team: Member, message: Message, *, state: RunState | None = None) -> Message:
    return await Run(state or RunState("r" * 32)).give(team, message)


def labels(member: StubMember) -> list[list[str]]:
    """Of each message that the member was given: where what it quotes stands."""
    return [
        [f"{quote.label}:{quote.first_line}" for quote in message.quotes if quote.kind == "document"]
        for message in member.messages
    ]
