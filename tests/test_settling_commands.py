"""`guildhall memory settle|promote`, and `recall` with times: what a person decides, and asks."""

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from shell import data, done, guildhall

from guildhall.agents import Hall
from guildhall.memory.records import Author

pytestmark = pytest.mark.usefixtures("project")


def remembered(text: str, *more: str) -> str:
    id_: str = data("remember", text, *more)["id"]
    return id_


def recalled(*words: str) -> list[str]:
    return [hit["text"] for hit in data("recall", *words)["hits"]]


def said_by_an_agent(text: str, **more: Any) -> str:
    async def remember() -> str:
        async with Hall.open() as hall:
            return (await hall.remember(text, author=Author(agent="bob"), **more)).id

    return asyncio.run(remember())


@pytest.fixture
def private(project: Path) -> str:
    return said_by_an_agent("Bob likes strong tea.", visibility="private")


OLD, NEW = "The nightly backup takes ten minutes.", "The nightly backup takes two minutes."


def test_the_command_that_remember_names_settles_a_conflict() -> None:
    old = remembered(OLD)
    said = done("remember", NEW)
    command = said.partition("`guildhall ")[2].rpartition(" ")[0].split()
    assert command[:2] == ["memory", "settle"]
    assert command[3] == old[:8]
    assert "holds from now on in place of memory:" in done(*command, "supersede")
    assert recalled("nightly", "backup") == [NEW]


@pytest.mark.parametrize(
    ("how", "left"),
    [("supersede", [NEW]), ("retract", [NEW]), ("duplicate", [OLD]), ("coexist", [NEW, OLD])],
)
def test_a_conflict_is_settled_in_each_way(how: str, left: list[str]) -> None:
    old, new = remembered(OLD), remembered(NEW)
    assert data("memory", "settle", f"memory:{new[:8]}", old[:8], how)["id"] == new
    assert sorted(recalled("nightly", "backup")) == sorted(left)


def test_what_cannot_be_settled_is_said() -> None:
    old = remembered(OLD)
    for ids, why in ((("ffff", old), "there is no memory 'ffff'"), ((old, old), "no conflict with itself")):
        refused = guildhall("memory", "settle", *ids, "supersede")
        assert (refused.exit_code, why in refused.stderr) == (2, True)
    assert guildhall("memory", "settle", old, old, "ignore").exit_code == 2


def test_what_an_agent_says_otherwise_is_shown_with_how_it_is_settled() -> None:
    old = remembered("We use MySQL.", "--subject", "db.engine", "--kind", "decision")
    new = said_by_an_agent("We moved to Postgres.", subject="db.engine", kind="decision")
    hits = data("recall", "current", "db", "engine")["hits"]
    assert [(hit["id"], hit["doubted_by"], hit["outweighed_by"]) for hit in hits] == [
        (old, new, ""),
        (new, "", old),
    ]
    told = done("recall", "current", "db", "engine").splitlines()[-1]
    commands = [part for part in told.split("`") if part.startswith("guildhall ")]
    assert commands == [
        f"guildhall memory settle {new[:8]} {old[:8]} supersede",
        f"guildhall memory settle {old[:8]} {new[:8]} retract",
    ]
    done(*commands[0].split()[1:])
    assert recalled("current", "db", "engine") == ["We moved to Postgres."]


def test_a_promotion_is_asked_for_first(private: str) -> None:
    refused = guildhall("memory", "promote", private[:8], "project", stdin="n\n")
    assert (refused.exit_code, "Nothing was promoted." in refused.stdout) == (0, True)
    assert "Bob likes strong tea." in refused.stdout
    assert "all of the project may recall this" in refused.stdout
    assert data("memory", "show", private)["visibility"] == "private"
    assert "Promoted, as memory:" in done("memory", "promote", private[:8], "project", stdin="y\n")
    [hit] = data("recall", "strong", "tea")["hits"]
    assert (hit["visibility"], hit["derived_from"]) == ("project", [private])


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_where_nobody_can_be_asked_nothing_is_promoted(options: tuple[str, ...], private: str) -> None:
    refused = guildhall("memory", "promote", private, "project", *options, stdin="")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert data("memory", "show", private)["visibility"] == "private"
    kept = data("memory", "promote", private, "user", "--yes")
    assert data("memory", "show", kept["id"])["visibility"] == "user"
    refused = guildhall("memory", "promote", kept["id"], "project", "--yes", "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["error"]["code"]) == (2, "invalid_input")


def test_a_team_is_named(private: str) -> None:
    refused = guildhall("memory", "promote", private, "team", "--yes")
    assert (refused.exit_code, "needs the team's name" in refused.stderr) == (2, True)
    data("memory", "promote", private, "team", "--team", "duo", "--yes")
    [hit] = data("recall", "strong", "tea")["hits"]
    assert (hit["visibility"], hit["author"]["team"]) == ("team", "duo")


def test_a_date_alone_is_the_whole_of_that_day() -> None:
    today = datetime.fromtimestamp(time.time(), UTC).astimezone().date().isoformat()
    remembered(OLD)
    for option in ("--as-of", "--known-at", "--until", "--since"):
        assert recalled("backup", option, today) == [OLD], option
    assert recalled("backup", "--until", f"{today}T00:00") == []
    assert recalled("backup", "--as-of", "2020-01-01") == []
    refused = guildhall("recall", "backup", "--as-of", "spring")
    assert (refused.exit_code, "as_of is 'spring'; write a date" in refused.stderr) == (2, True)
    new = remembered("The backup is in Bonn.", "--from", "2020-01-01")
    began = data("memory", "show", new)["valid_from"]
    assert began == datetime(2020, 1, 1).astimezone().timestamp()


def test_what_is_recalled_fits_into_so_many_tokens() -> None:
    for number in range(5):
        remembered(f"The backup number {number} takes a while to be written and to be read again.")
    assert len(recalled("backup")) == 5
    assert len(recalled("backup", "--tokens", "60")) == 2
