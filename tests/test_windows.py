"""How much a member takes at once is known of its models, and what a message needs of that is estimated."""

import pytest
from support import given

from guildhall.agents import Agent, Message, ModelReply, Parallel, Quote, ToolCall, tool
from guildhall.agents.config import Config
from guildhall.agents.models.catalog import Catalog
from guildhall.agents.testing import ScriptedModel, StubMember
from guildhall.agents.tokens import estimate, raised
from guildhall.agents.windows import WINDOW, needed, room, shown, window_of


class Small(ScriptedModel):
    context = 8_000


def test_a_member_takes_half_of_what_the_smallest_of_its_models_does() -> None:
    models = Catalog({"ANTHROPIC_API_KEY": "k"}, Config()).models_for(None, default="balanced", seat=0)
    large, small = Agent("ann", "Answer.", models), Agent("bob", "Answer.", [Small()])
    assert window_of(large) > 100_000
    assert window_of(small) == 4_000
    assert window_of(Parallel("team", [large, small])) == 4_000


@pytest.mark.parametrize(
    "member", [StubMember("ann"), Agent("bob", "Answer.", [ScriptedModel()])], ids=["stub", "unknown model"]
)
def test_where_nobody_knows_the_usual_is_taken(member: StubMember | Agent) -> None:
    assert window_of(member) == WINDOW


def test_what_is_needed_is_at_least_what_is_sent() -> None:
    @tool
    def look(words: str) -> str:
        """Look something up."""
        return words

    document = Quote(label="contract.md", kind="document", text="# One\n\nTwo.\n\n- three\n- four\n" * 30)
    agent = Agent("ann", "Answer with care. " * 40, [ScriptedModel()], [look])
    message = Message(text="Well?", brief="In short.", quotes=(document,))
    sent = "".join(turn.prompt() for turn in agent.first_request(message).turns)
    assert estimate(sent) < raised(needed(agent, message)) < 1.2 * estimate(sent) + 200
    bare = message.model_copy(update={"quotes": ()})
    assert needed(agent, message) <= needed(agent, bare) + shown(document)
    assert raised(room(1_000)) == 1_000


class Roomy(ScriptedModel):
    context = 12_000


async def test_an_agents_oldest_results_are_told_in_short_where_its_model_has_no_room_for_all() -> None:
    @tool
    def page(number: int) -> str:
        """A page."""
        return f"Page {number} begins so. " + "It goes on for very long indeed. " * 300

    def turn(number: int) -> ModelReply:
        return ModelReply(calls=(ToolCall(id=str(number), name="page", arguments={"number": number}),))

    model = Roomy(*(turn(number) for number in range(1, 6)), "read")
    agent = Agent("ann", "Read with care.", [model], [page], max_output=2_000)
    answer = await given(agent, "What do they say?")
    assert answer.text == "read"
    first, last = model.requests[0].turns, model.requests[-1].turns
    assert last[:2] == first
    results = [one.text for one in last if one.role == "tool"]
    assert [one.startswith(f"Page {at} begins so.") for at, one in enumerate(results, 1)] == [True] * 5
    assert results[0].endswith("tokens of this, to make room]")
    assert "left out" not in results[-1]
    sizes = [sum(estimate(one.prompt()) for one in request.turns) for request in model.requests]
    assert max(sizes) <= 10_000
    assert sizes[-1] > 5_000


async def test_a_result_that_nobody_has_read_yet_stays_whole() -> None:
    @tool
    def book() -> str:
        """A book."""
        return "It goes on for very long indeed. " * 1_700

    model = Roomy(ModelReply(calls=(ToolCall(id="1", name="book"),)), "read")
    await given(Agent("ann", "Read.", [model], [book], max_output=2_000), "Well?")
    assert len(model.requests[-1].turns[-1].text) > 50_000


async def test_what_fits_is_left_as_it_is() -> None:
    @tool
    def page() -> str:
        """A page."""
        return "Short. " * 200

    call = ModelReply(calls=(ToolCall(id="1", name="page"),))
    model = Roomy(call, call, "read")
    await given(Agent("ann", "Read.", [model], [page], max_output=2_000), "Well?")
    assert all("left out" not in turn.text for turn in model.requests[-1].turns)
