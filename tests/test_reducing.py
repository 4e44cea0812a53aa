"""What was found in many parts becomes one answer, however long it is."""

from dataclasses import dataclass

from reading import Reading, document, material, reader, worked_on
from support import Books

from guildhall.agents import ModelReply, ModelRequest
from guildhall.agents.event import Decided, Said, Started
from guildhall.agents.message import cited
from guildhall.agents.models.base import OnText
from guildhall.agents.patterns import Map
from guildhall.agents.state import RunState
from guildhall.errors import ProviderError


@dataclass
class Listing(Reading):
    """A model that puts findings together by listing what they cite, or else repeats all it is given."""

    shortens: bool = True

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        reply = await super().complete(request, on_text)
        text = reply.text
        if self.shortens:
            labels = [label for quote in request.turns[-1].quotes for label in cited(quote.text)]
            text = " ".join(f"[{label}]" for label in labels)
        return reply.model_copy(update={"text": text})


async def test_findings_that_are_too_long_are_joined_in_groups_and_their_sources_are_kept() -> None:
    text, places = document(40_000, facts=240)
    books = Books()
    team = Map("readers", [reader("ann", Reading(4_000))], reader("chair", Listing(4_000)), window=4_000)
    answer = await worked_on(team, material(text), state=RunState("r" * 32, sinks=[books]))
    assert cited(answer.text) == [f"a.md:{line}" for line in places.values()]
    joins = [event.path for event in books.of(Started) if "/join-" in event.path]
    assert joins[:2] == ["readers/join-1-1", "readers/join-1-2"]
    assert all(f"part {n} (" in said.text for n, said in enumerate(books.of(Said)[: len(joins)], 1))
    assert {event.id for event in books.events if event.kind == "replied"} == set(answer.sources)


async def test_findings_that_do_not_become_shorter_are_handed_over_by_importance_and_that_is_said() -> None:
    text, _ = document(40_000, facts=240)
    books, chair = Books(), Listing(4_000, shortens=False)
    team = Map("readers", [reader("ann", Reading(4_000))], reader("chair", chair), window=4_000)
    await worked_on(team, material(text), state=RunState("r" * 32, sinks=[books]))
    [handover] = [event for event in books.of(Decided) if event.what == "handover"]
    assert sum(one["tokens"] for one in handover.data) > 1_000
    assert "[left out: " in chair.prompts[-1]


async def test_a_group_that_could_not_be_joined_keeps_its_findings() -> None:
    text, places = document(40_000, facts=240)

    class Failing(Listing):
        async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
            if not self.prompts:
                self.prompts.append("")
                raise ProviderError("refused", "no")
            return await super().complete(request, on_text)

    state = RunState("r" * 32)
    team = Map("readers", [reader("ann", Reading(4_000))], reader("chair", Failing(4_000)), window=4_000)
    answer = await worked_on(team, material(text), state=state)
    assert sorted(cited(answer.text)) == sorted(f"a.md:{line}" for line in places.values())
    assert state.notices == ["join-1-1: findings could not be put together: no"]
