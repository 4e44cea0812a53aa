"""Letters between members reach whom they are for, in order, in time, and nobody waits for ever."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from guildhall.agents.message import Message
from guildhall.agents.patterns.bus import TO_ALL, Bus

NAMES = ("ann", "bob", "cid")


def letter(sender: str, to: str, text: str = "Well?", **more: Any) -> Message:
    return Message(sender=sender, receiver=to, text=text, **more)


def ask(bus: Bus, sender: str, to: str) -> Message:
    return bus.post(letter(sender, to, requires_response=True)).letter


def texts(bus: Bus, name: str, late: tuple[str, ...] = ()) -> list[str]:
    return [one.text for one in bus.read(name, late).letters]


def test_letters_are_read_by_priority_and_then_as_they_came() -> None:
    bus = Bus(NAMES)
    for text, priority in (("first", 0), ("urgent", 5), ("second", 0), ("idle", -3)):
        bus.post(letter("ann", "bob", text, priority=priority))
    assert texts(bus, "bob") == ["urgent", "first", "second", "idle"]
    assert texts(bus, "bob") == []
    assert texts(bus, "cid") == []


def test_a_letter_to_all_reaches_everybody_but_its_writer() -> None:
    bus = Bus(NAMES)
    posted = bus.post(letter("bob", TO_ALL, "news"))
    assert posted.receivers == ("ann", "cid")
    assert [one.receiver for one in bus.read("ann").letters] == ["ann"]


def test_who_has_subscribed_gets_of_the_letters_to_all_only_those_it_wants() -> None:
    wishes = {"ann": ["Prices"], "bob": ["cid"], "cid": ["error"]}
    bus = Bus([*NAMES, "dan"], wishes)
    assert bus.post(letter("dan", TO_ALL), "prices ").receivers == ("ann",)
    assert bus.post(letter("cid", TO_ALL), "law").receivers == ("bob", "dan")
    assert bus.post(letter("dan", TO_ALL, type="error"), "law").receivers == ("cid",)
    assert bus.post(letter("dan", "ann"), "law").receivers == ("ann",)


def test_what_is_private_is_not_given_to_who_may_not_see_it_and_who_asks_is_told() -> None:
    bus = Bus(NAMES, untrusted=["bob"])
    posted = bus.post(letter("ann", TO_ALL, private=True, requires_response=True))
    assert (posted.receivers, posted.gone, posted.barred) == (("cid",), (), ("bob",))
    assert bus.waits() == {"ann": ("cid",)}
    (told,) = bus.read("ann").letters
    assert (told.sender, told.type, told.private) == ("bob", "error", False)
    assert bus.post(letter("ann", "bob")).receivers == ("bob",)


def test_a_letter_can_be_of_another_kind_than_its_type() -> None:
    bus = Bus(NAMES, {"bob": ["error"], "cid": ["info"]})
    assert bus.post(letter("ann", TO_ALL, type="info"), kind="error").receivers == ("bob",)


def test_what_is_past_its_deadline_is_not_read_and_whoever_waits_for_it_is_told() -> None:
    bus = Bus(NAMES)
    late = bus.post(letter("ann", "bob", "hurry", deadline=10.0, requires_response=True)).letter
    bus.post(letter("cid", "bob", "later", deadline=20.0))
    bus.post(letter("cid", "bob", "whenever"))
    assert bus.past("bob", 10.0) == []
    assert bus.past("bob", 15.0) == [late.id]
    inbox = bus.read("bob", [late.id])
    assert [one.text for one in inbox.letters] == ["later", "whenever"]
    assert [one.text for one in inbox.late] == ["hurry"]
    assert bus.waits() == {}
    told = bus.read("ann").letters
    assert [(one.sender, one.type, one.reply_to) for one in told] == [("bob", "error", late.id)]


def test_who_requires_a_response_waits_and_reads_nothing_else_until_it_is_there() -> None:
    bus = Bus(NAMES)
    question = ask(bus, "ann", "bob")
    bus.post(letter("cid", "ann", "by the way"))
    assert bus.waits() == {"ann": ("bob",)}
    assert not bus.ready("ann")
    assert bus.ready("bob")
    bus.read("bob")
    assert bus.owes("bob") == ["ann"]
    bus.post(letter("bob", "ann", "so it is"))
    assert bus.waits() == {}
    assert bus.ready("ann")
    read = bus.read("ann").letters
    assert [(one.text, one.reply_to) for one in read] == [("by the way", None), ("so it is", question.id)]


def test_what_was_written_before_a_question_was_read_is_no_response_to_it() -> None:
    bus = Bus(NAMES)
    ask(bus, "ann", "bob")
    bus.post(letter("bob", "ann", "unasked"))
    assert bus.waits() == {"ann": ("bob",)}
    assert not bus.ready("ann")


def test_who_is_asked_back_wakes_and_still_waits() -> None:
    bus = Bus(NAMES)
    ask(bus, "ann", "bob")
    bus.read("bob")
    ask(bus, "bob", "ann")
    assert bus.ready("ann")
    bus.read("ann")
    bus.post(letter("ann", "bob", "I mean this"))
    assert bus.waits() == {"ann": ("bob",)}
    assert bus.ready("bob")


def test_a_question_to_all_is_answered_when_everybody_has_answered() -> None:
    bus = Bus(NAMES)
    ask(bus, "ann", TO_ALL)
    for name in ("bob", "cid"):
        assert not bus.ready("ann")
        bus.read(name)
        bus.post(letter(name, "ann", f"says {name}"))
    assert bus.ready("ann")
    assert texts(bus, "ann") == ["says bob", "says cid"]


def test_nobody_waits_for_who_has_left() -> None:
    bus = Bus(NAMES)
    ask(bus, "ann", "bob")
    broken = Message(sender="bob", type="error", text="broken")
    unread = bus.leave("bob", broken)
    assert [one.sender for one in unread] == ["ann"]
    assert bus.waits() == {}
    assert [one.failed for one in bus.read("ann").letters] == [True]
    posted = bus.post(letter("cid", "bob", requires_response=True))
    assert (posted.receivers, posted.gone) == ((), ("bob",))
    assert [one.text for one in bus.read("cid").letters] == ["broken"]
    assert bus.post(letter("cid", TO_ALL)).receivers == ("ann",)


def test_a_circle_of_members_who_wait_is_found() -> None:
    bus = Bus([*NAMES, "dan"])
    for one, other in (("ann", "bob"), ("bob", "cid"), ("cid", "ann"), ("dan", "ann")):
        ask(bus, one, other)
    assert not any(map(bus.ready, ("ann", "bob", "cid", "dan")))
    stall = bus.stall()
    assert stall is not None
    assert set(stall.circle) == {"ann", "bob", "cid"}
    assert stall.waits == {"ann": ("bob",), "bob": ("cid",), "cid": ("ann",)}


def test_where_there_is_no_circle_those_wait_in_vain_whose_others_wait_for_nobody() -> None:
    bus = Bus(NAMES)
    ask(bus, "ann", "bob")
    ask(bus, "bob", "cid")
    for name in ("bob", "cid"):
        bus.read(name)
    stall = bus.stall()
    assert stall == ((), {"bob": ("cid",)})
    bus.release("bob")
    assert bus.stall() == ((), {"ann": ("bob",)})
    bus.release("ann")
    assert bus.stall() is None


STEPS = st.tuples(
    st.sampled_from(NAMES), st.sampled_from([*NAMES, TO_ALL]), st.booleans(), st.sampled_from(NAMES)
)


@given(st.lists(STEPS, max_size=40))
def test_whatever_is_written_and_read_every_letter_is_read_once_and_every_wait_ends(steps: list[Any]) -> None:
    bus = Bus(NAMES)
    sent, read = [], []
    for sender, to, requires, reader in steps:
        if sender != to:
            posted = bus.post(letter(sender, to, requires_response=requires))
            sent += [(posted.letter.id, name) for name in posted.receivers]
        if bus.ready(reader):
            read += [(one.id, reader) for one in bus.read(reader).letters]
    for _ in range(200):
        if ready := [name for name in NAMES if bus.ready(name)]:
            read += [(one.id, ready[0]) for one in bus.read(ready[0]).letters]
        elif (stall := bus.stall()) is not None:
            for name in stall.waits:
                bus.release(name)
                read += [(one.id, name) for one in bus.read(name).letters]
        else:
            break
    assert sorted(read) == sorted(sent)
    assert bus.unread() == []
    assert bus.waits() == {}
