"""How much a member takes at once is known of its models, and what a message needs of that is estimated."""

import pytest

from guildhall.agents import Agent, Message, Parallel, Quote, tool
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
