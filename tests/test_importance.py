"""What its writer says matters is never left out for lack of room."""

from pathlib import Path
from typing import Any

import pytest

from guildhall.agents import Hall


@pytest.mark.parametrize("more", [{"importance": 0.9}, {"pinned": True}])
async def test_what_matters_has_its_place_and_others_give_way_to_it(more: dict[str, Any], home: Path) -> None:
    async with Hall.open() as hall:
        for number in range(5):
            await hall.remember(f"The harbour crane, crane of the harbour: note {number}.")
        kept = await hall.remember("The crane is closed.", **more)
        found = await hall.search("harbour crane", limit=10, tokens=30, count=lambda text: 10)
        texts = [hit.record.id for hit in found.hits]
    assert kept.id in texts
    assert len(texts) == 3


async def test_not_even_what_matters_takes_more_than_there_is(home: Path) -> None:
    async with Hall.open() as hall:
        await hall.remember("The crane is red.")
        for number in range(9):
            await hall.remember(f"The crane is {number} years old.", importance=0.9)
        found = await hall.search("crane", tokens=50, count=len)
    assert [hit.record.importance for hit in found.hits] == [0.9, 0.9]


async def test_what_a_rule_estimates_is_left_out_where_there_is_no_room(home: Path) -> None:
    async with Hall.open() as hall:
        await hall.remember("We must always close the crane.", kind="decision", subject="crane")
        found = await hall.search("crane", tokens=5, count=len)
    assert found.hits == ()
