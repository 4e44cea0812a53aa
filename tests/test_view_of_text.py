"""Text of models and files as faces show it, and a real run as a view shows it."""

from hypothesis import given
from hypothesis import strategies as st

from guildhall.agents import Agent, Budget, Message, Parallel, Run
from guildhall.agents.budget import Meter
from guildhall.agents.models.scripted import ScriptedModel
from guildhall.agents.state import RunState
from guildhall.agents.testing import StubMember
from guildhall.view import View, clean, from_cache, one_line


@given(st.text(st.characters(), max_size=40), st.text(st.characters(), max_size=40))
def test_cleaning_the_pieces_of_a_text_is_cleaning_the_text(one_: str, other: str) -> None:
    assert clean(one_) + clean(other) == clean(one_ + other)
    clean(one_).encode()


def test_clean_text_keeps_what_people_write() -> None:
    said = "Füße\tund 漢字,\nنص, 👩\u200d🔬 e\u0301"
    assert clean(said) == said
    assert one_line("  a\n\n b  ") == "a b"
    assert one_line("word " * 100, 20) == "word word word word…"


def test_replies_from_the_cache_are_counted_in_words() -> None:
    assert [from_cache(count) for count in range(3)] == [
        "",
        "1 reply from the cache",
        "2 replies from the cache",
    ]


async def test_a_real_run_is_shown_as_it_happened() -> None:
    view = View()
    agent = Agent("agent", "Answer.", (ScriptedModel("from a model"),))
    team = Parallel("duo", (agent, StubMember("stub", "from a stub")))
    run = Run(RunState("r" * 32, Meter(Budget()), [view], view.text))
    await run.give(team, Message(text="do it"))
    replies = {i["who"]: (i["text"], i["status"]) for i in view.items() if i["is"] == "reply"}
    assert replies == {"agent": ("from a model", "done"), "stub": ("from a stub", "done")}
    assert {i["name"]: (i["team"], i["status"]) for i in view.items() if i["is"] == "member"} == {
        "duo": (True, "done"),
        "agent": (False, "done"),
        "stub": (False, "done"),
    }
