"""A long input is divided so that each part can be worked on by itself."""

import pytest
from reading import Reading, document, labels, material, worked_on

from guildhall.agents import Agent, Attachment, Message, Quote
from guildhall.agents.conduct import sources_of
from guildhall.agents.patterns import Map
from guildhall.agents.state import RunState
from guildhall.agents.testing import StubMember
from guildhall.agents.tokens import estimate
from guildhall.errors import Failure


async def test_a_part_is_shown_the_headings_above_it_with_their_own_lines() -> None:
    ann = StubMember("ann", "A")
    text = "# The contract\n\n" + "\n".join(f"Line {number} is about the parties.\n" for number in range(400))
    await worked_on(Map("readers", [ann], StubMember("chair"), part=3_000), material(text))
    assert labels(ann)[0] == ["a.md:1"]
    assert all(shown[0] == "a.md:1" and len(shown) == 2 for shown in labels(ann)[1:])
    assert ann.messages[1].quotes[1].text == "# The contract"


async def test_short_documents_share_a_part_and_what_is_said_of_all_goes_to_all() -> None:
    ann, chair = StubMember("ann", "A"), StubMember("chair")
    context = Quote(label="context", kind="document", text="The buyer asks.")
    earlier = Quote(label="bob", kind="answer", text="Look at the keys.")
    message = material(*[document(2_000, 2)[0]] * 3).with_quotes(context, earlier)
    await worked_on(Map("readers", [ann], chair, part=6_500), message)
    assert [[label for label in shown if label != "context:1"] for shown in labels(ann)] == [
        ["a.md:1", "b.md:1"],
        ["c.md:1"],
    ]
    assert all({"context", "bob"} < {quote.label for quote in one.quotes} for one in ann.messages)
    assert {"context", "bob"} < {quote.label for quote in chair.messages[0].quotes}


async def test_a_task_that_is_too_long_is_read_in_parts_too() -> None:
    ann, chair = StubMember("ann", "A"), StubMember("chair")
    text, _ = document(9_000, 3)
    task = f"Which keys are there?\n\n{text}\n\nName all of them."
    await worked_on(Map("readers", [ann], chair, window=5_000), Message(text=task))
    for message in (*ann.messages, *chair.messages):
        assert message.text.startswith("Which keys are there?")
        assert message.text.endswith("Name all of them.")
        assert estimate(message.text) < 1_000
    assert "".join(one.quotes[-1].text for one in ann.messages) == task


async def test_files_that_are_no_text_are_read_once() -> None:
    ann, chair = StubMember("ann", "A"), StubMember("chair")
    photo = Attachment(name="photo.png", media_type="image/png", data=b"png")
    message = material(document(20_000, 3)[0], attachments=(photo,))
    await worked_on(Map("readers", [ann], chair, window=12_000), message)
    assert [one.attachments for one in ann.messages].count((photo,)) == 1
    assert chair.messages[0].attachments == ()


async def test_instructions_that_fill_the_window_are_refused_with_what_to_do() -> None:
    ann = Agent("ann", "Read. " * 2_000, [Reading()])
    with pytest.raises(Failure, match=r"of the 2,000 tokens .* give a larger window"):
        await worked_on(Map("m", [ann], StubMember("c"), window=2_000), material(document(9_000, 3)[0]))


@pytest.mark.parametrize(
    "answer",
    [
        "The price is 4711 dollars. [log.txt:1]",
        "- The start is dull [log.txt:1]. The price is 4711 dollars. [log.txt:1]",
        "It is dear [a.md:7]: The price is 4711 dollars. [log.txt:1]",
    ],
)
async def test_a_citation_of_a_long_line_that_was_cut_leads_to_the_part_where_it_stands(answer: str) -> None:
    line = "x " * 30_000 + "The price is 4711 dollars. " + "y " * 30_000
    message = Message(text="What is it?", quotes=(Quote(label="log.txt", kind="document", text=line),))
    ann, state = Agent("ann", "Read.", [Reading()]), RunState("r" * 32)
    await worked_on(Map("readers", [ann], ann, window=8_000), message, state=state)
    assert len(state.shown["log.txt"]) > 3
    assert [source.text for source in sources_of(answer, state)] == ["The price is 4711 dollars."]
    [source] = sources_of("It costs a lot. [log.txt:1]", state)
    assert source.text.startswith("x x x")
