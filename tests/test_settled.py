"""How conflicts are settled, what is promoted, and what stays that others have said, too."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from guildhall.errors import UserError
from guildhall.memory.memory import Memory
from guildhall.memory.records import Author
from guildhall.memory.store.database import Database


@asynccontextmanager
async def memory_in(home: Path) -> AsyncIterator[Memory]:
    db = Database(home / "guildhall.db")
    try:
        yield Memory(db, scope="shop")
    finally:
        await asyncio.to_thread(db.close)


async def texts(memory: Memory, query: str, **how: Any) -> list[str]:
    return sorted(hit.record.text for hit in await memory.recall(query, **how))


async def test_a_second_thought_turns_what_was_settled_round(home: Path) -> None:
    async with memory_in(home) as memory:
        one = await memory.remember("The nightly build takes four minutes.")
        two = await memory.remember("The nightly build takes nine minutes.")
        await memory.settle(one.id, two.id, "supersede")
        assert await texts(memory, "nightly build") == ["The nightly build takes four minutes."]
        await memory.settle(two.id, one.id, "supersede")
        assert await texts(memory, "nightly build") == ["The nightly build takes nine minutes."]
        await memory.settle(one.id, two.id, "coexist")
        assert len(await texts(memory, "nightly build")) == 2


async def test_what_is_over_is_not_settled_again(home: Path) -> None:
    async with memory_in(home) as memory:
        ash = await memory.remember("The mast is of ash.", subject="mast", valid_from=10)
        pine = await memory.remember("The mast is of pine.", subject="mast", valid_from=20)
        oak = await memory.remember("The mast is made of oak, they say.")
        for how in ("supersede", "coexist"):
            with pytest.raises(UserError, match=f"memory:{ash.id[:8]} holds no more"):
                await memory.settle(oak.id, ash.id, how)
        assert await texts(memory, "mast", as_of=30) == ["The mast is of pine."]
        assert await texts(memory, "mast", as_of=15) == ["The mast is of ash."]
        with pytest.raises(UserError, match="there is no memory"):
            await memory.settle(oak.id, pine.id, "retract", scope="bank")


async def test_what_was_wrong_gives_its_place_back(home: Path) -> None:
    async with memory_in(home) as memory:
        await memory.remember("The lamp is red.", subject="lamp", valid_from=10)
        blue = await memory.remember("The lamp is blue.", subject="lamp", valid_from=20)
        seen = await memory.remember("I saw it, and the lamp is no blue one.")
        await memory.settle(seen.id, blue.id, "retract")
        assert "The lamp is red." in await texts(memory, "lamp")
        assert "The lamp is blue." not in await texts(memory, "lamp")


async def test_nobody_settles_over_the_head_of_who_is_trusted_more(home: Path) -> None:
    async with memory_in(home) as memory:
        said = await memory.remember("The gate closes at nine.")
        guess = await memory.remember("The gate closes at ten.", author=Author(agent="ann"))
        with pytest.raises(UserError, match=r"is trusted more \(1\).*guildhall memory settle"):
            await memory.settle(guess.id, said.id, "supersede", trust=0.7)
        await memory.settle(guess.id, said.id, "duplicate", trust=0.7)
        assert await texts(memory, "gate closes") == ["The gate closes at nine."]


async def test_what_is_over_is_not_promoted(home: Path) -> None:
    async with memory_in(home) as memory:
        ann = Author(agent="ann")
        await memory.remember("The port is 9090.", subject="port", author=ann)
        old = await memory.remember("The port is 8080.", subject="port", visibility="private", author=ann)
        await memory.remember("The port is 8081.", subject="port", visibility="private", author=ann)
        with pytest.raises(UserError, match="holds no more"):
            await memory.promote(old.id, "project")
        assert await texts(memory, "port", viewer="bob") == ["The port is 9090."]


async def test_what_would_be_over_at_once_is_not_promoted(home: Path) -> None:
    async with memory_in(home) as memory:
        ann = Author(agent="ann")
        mine = await memory.remember("The port is 8080.", subject="port", visibility="private", author=ann)
        page = await memory.remember("The port is 70.", subject="port", author=ann, trust=0.4)
        new = await memory.remember("The port is 9090.", subject="port", author=ann)
        for old in (mine, page):
            with pytest.raises(UserError, match=f"memory:{new.id[:8]} says something newer of port"):
                await memory.promote(old.id, "project")
        assert await texts(memory, "port", viewer="ann") == ["The port is 8080.", "The port is 9090."]
        assert [one.valid_to for one in await memory.timeline("port")] == [None, None, None]


@pytest.mark.parametrize("what", [{"run": "run-1"}, {"source": "a.md"}])
async def test_what_others_have_said_too_stays_theirs(home: Path, what: dict[str, Any]) -> None:
    async with memory_in(home) as memory:
        ann = Author(agent="ann", run="run-1")
        kept = await memory.remember("Tea is at four.", author=ann, source="a.md", place="p. 3")
        assert (await memory.remember("Tea is at four.", author=Author(host="shell"))).id == kept.id
        assert (await memory.forget(**what, dry=True)).records == 0
        await memory.forget(**what)
        record = await memory.get(kept.id)
        assert record is not None
        assert (record.author, record.source, record.place) == (Author(host="shell"), "", "")
        assert (record.trust, await memory.origins(kept.id)) == (1.0, [])


async def test_nobody_who_was_forgotten_lends_trust(home: Path) -> None:
    async with memory_in(home) as memory:
        kept = await memory.remember("Tea is at four.", author=Author(agent="ann"))
        await memory.remember("Tea is at four.", author=Author(run="run-2"))
        await memory.forget(run="run-2")
        record = await memory.get(kept.id)
        assert record is not None
        assert (record.trust, record.author.agent) == (0.7, "ann")


async def test_what_is_derived_names_what_is_there(home: Path) -> None:
    async with memory_in(home) as memory:
        web = await memory.remember("They say it is free.", trust=0.4)
        sum_up = await memory.remember("So it is free.", derived_from=[f"memory:{web.id[:8]}"])
        record = await memory.get(sum_up.id)
        assert record is not None
        assert (record.trust, record.derived_from) == (0.4, (web.id,))
        with pytest.raises(UserError, match="derived_from names 'nothing'"):
            await memory.remember("So it is.", derived_from=["nothing"])


async def test_the_newest_that_say_something_of_it_come_first(home: Path) -> None:
    async with memory_in(home) as memory:
        await memory.remember("Standup, standup, standup: a note of standup.", valid_from=1000)
        for number in range(1, 5):
            await memory.remember(f"Standup note {number} of a long morning.", valid_from=1000 + number)
        await memory.remember("The crane is red.", valid_from=2000)
        found = await memory.search("standup", sort="recent", limit=2)
        assert [hit.record.valid_from for hit in found.hits] == [1004, 1003]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"text": b"x"}, "the text is b'x'"), ({"text": "x", "tags": "abc"}, "tags are 'abc'"),
        ({"text": "x", "tags": [1]}, r"tags are \[1\]"), ({"text": "x", "trust": "high"}, "trust is 'high'"),
        ({"text": "x", "valid_from": "2026-01-01"}, "valid_from is '2026-01-01'"),
        ({"text": "x", "subject": 5}, "the subject 5 must be"),
        ({"text": "x", "source": None}, "source is None"),
    ],
)  # fmt: skip
async def test_what_cannot_be_kept_is_refused_in_words(home: Path, given: dict[str, Any], says: str) -> None:
    async with memory_in(home) as memory:
        with pytest.raises(UserError, match=says):
            await memory.remember(**given)


@pytest.mark.parametrize(
    "given",
    [{"as_of": "2026-01-01"}, {"min_trust": "x"}, {"tags": "abc"}, {"viewr": "bob"}, {"kinds": "fact"}],
)
async def test_what_cannot_be_asked_is_refused_in_words(home: Path, given: dict[str, Any]) -> None:
    async with memory_in(home) as memory:
        with pytest.raises(UserError, match=f"{next(iter(given))}"):
            await memory.recall("x", **given)


async def test_a_person_lets_a_record_out_of_quarantine(home: Path) -> None:
    async with memory_in(home) as memory:
        ann = Author(agent="ann")
        await memory.remember("The toll is four crowns.", subject="toll", author=ann)
        page = await memory.remember("The toll is five crowns.", subject="toll", author=ann, trust=0.4)
        assert await texts(memory, "toll") == ["The toll is four crowns."]
        kept = await memory.promote(page.id, "project")
        assert kept.superseded is not None
        assert await texts(memory, "toll") == ["The toll is five crowns."]
        with pytest.raises(UserError, match="is for project already"):
            await memory.promote(page.id, "project")


async def test_what_holds_beside_another_is_no_conflict_any_more(home: Path) -> None:
    async with memory_in(home) as memory:
        ann = Author(agent="ann")
        board = await memory.remember("The engine of the shop is Postgres.", subject="engine")
        other = await memory.remember("The engine of the shop is a diesel.", subject="engine", author=ann)
        near = await memory.remember("The engine of the shop is rather old.", author=ann)
        assert set(near.conflicts) == {board.id, other.id}
        for one in (board, other):
            await memory.settle(near.id, one.id, "coexist")
        assert [one.flaw for one in await memory.audit()] == ["conflict"]
        await memory.settle(other.id, board.id, "coexist")
        assert await memory.audit() == []
        again = await memory.remember("The engine of the shop is a diesel.", subject="engine", author=ann)
        assert (again.id, again.conflicts) == (other.id, ())
        hits = await memory.recall("engine of the shop")
        assert [(hit.doubted_by, hit.outweighed_by) for hit in hits] == [("", "")] * 3


async def test_what_gave_way_holds_again_when_the_one_that_held_is_gone(home: Path) -> None:
    async with memory_in(home) as memory:
        for how in ("forget", "retract"):
            wool = await memory.remember(f"The {how} hat is of wool.")
            felt = await memory.remember(f"The {how} hat is of felt.")
            await memory.settle(wool.id, felt.id, "supersede")
            if how == "forget":
                await memory.forget(wool.id)
            else:
                seen = await memory.remember(f"I have seen it: no {how} sheep.")
                await memory.settle(seen.id, wool.id, "retract")
            assert f"The {how} hat is of felt." in await texts(memory, f"{how} hat")


async def test_retracting_what_is_over_gives_back_only_until_what_came_next(home: Path) -> None:
    async with memory_in(home) as memory:
        red = await memory.remember("The mug is red.", subject="mug", valid_from=10)
        blue = await memory.remember("The mug is blue.", subject="mug", valid_from=20)
        await memory.remember("The mug is green.", subject="mug", valid_from=30)
        await memory.settle(red.id, blue.id, "retract")
        assert await texts(memory, "mug") == ["The mug is green."]
        assert await texts(memory, "mug", as_of=25) == ["The mug is red."]


async def test_what_was_known_before_something_was_retracted_stays_so(home: Path) -> None:
    async with memory_in(home) as memory:
        hot = await memory.remember("The pot is hot.", subject="pot", valid_from=10)
        cold = await memory.remember("The pot is cold.", subject="pot", valid_from=20)
        then = time.time()
        await memory.settle(hot.id, cold.id, "retract")
        assert await texts(memory, "pot", known_at=then) == ["The pot is cold."]
        assert await texts(memory, "pot") == ["The pot is hot."]


async def test_nobody_takes_the_place_of_what_others_may_read(home: Path) -> None:
    async with memory_in(home) as memory:
        ann = Author(agent="ann")
        gate = await memory.remember("The gate opens at six.", author=ann)
        own = await memory.remember("The gate opens at five.", author=ann, visibility="private")
        secret = await memory.remember("The gate opens at four.", author=ann, private=True)
        doubtful = await memory.remember("The gate opens at three.", trust=0.4)
        for one, says in ((own, "is for fewer"), (secret, "is for fewer"), (doubtful, "is in quarantine")):
            with pytest.raises(UserError, match=says):
                await memory.settle(one.id, gate.id, "supersede")
            with pytest.raises(UserError, match=says):
                await memory.settle(gate.id, one.id, "duplicate")
        assert "The gate opens at six." in await texts(memory, "gate", viewer="bob")


async def test_the_newest_are_found_however_many_say_it_better(home: Path) -> None:
    async with memory_in(home) as memory:
        for number in range(205):
            await memory.remember(f"pulse {number}", valid_from=number + 1)
        await memory.remember("At the very end of a long day, somebody took a pulse.", valid_from=900)
        found = await memory.search("pulse", sort="recent", limit=1)
        assert found.hits[0].record.valid_from == 900


async def test_a_common_word_is_not_taken_from_what_others_say(home: Path) -> None:
    async with memory_in(home) as memory:
        kept = await memory.remember("PostgreSQL", subject="db.engine")
        other = await memory.remember("We moved to PostgreSQL in May; see the PostgreSQL17 notes.")
        assert "too common a word" in (await memory.forget(kept.id)).left
        record = await memory.get(other.id)
        assert record is not None
        assert record.text == "We moved to PostgreSQL in May; see the PostgreSQL17 notes."
