"""Where no team is named, the one that suits the task is taken by rule, and the result says which and why."""

import sys
from pathlib import Path

import pytest

from guildhall import Hall
from guildhall.agents.suiting import UNSURE

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import routing

OWN = {
    "contract-review": "Reviews contracts for legal risk before we sign them.",
    "medical-translation": "Translates medical leaflets and consent forms into Polish.",
    "canteen": "Plans the weekly menu: dishes, allergens and what to buy.",
    "beekeepers": "Knows bees, hives, honey and varroa.",
    "night_desk": "Answers whatever comes in late.",
}


async def taken(task: str) -> tuple[str, str]:
    """The team of a run that named none, and why it was taken, as the result says."""
    async with Hall.open() as hall:
        result = await hall.run_team("auto", task)
        assert result.status == "done"
        name = (await hall.find(result.run_id)).team
    said = f"the team {name} was chosen for the task: "
    return name, next(notice for notice in result.notices if notice.startswith(said)).removeprefix(said)


def written(project: Path) -> None:
    teams = project / ".guildhall" / "teams"
    teams.mkdir()
    for name, description in OWN.items():
        text = f"name: {name}\ndescription: '{description}'\npattern: parallel\nmembers: [writer, critic]"
        (teams / f"{name}.md").write_text(f"---\n{text}\n---\n")


@pytest.mark.parametrize(
    ("task", "name", "why"),
    [
        (
            "Review my pull request before I merge it.",
            "code-review",
            "about code, reviewing; words in common: pull, request",
        ),
        ("Translate it into French.", "translate-and-check", "about language; words in common: translate"),
        ("Sort out this list, review team, please", "research", "no other team clearly suits the task"),
        ("Ask the review team what they make of it", "review", "the task names it"),
        ("Should we accept the liability cap?", "decision", "a judgement with two sides: should we"),
    ],
)
async def test_a_run_that_names_no_team_takes_the_one_that_suits_and_says_why(
    project: Path, task: str, name: str, why: str
) -> None:
    assert await taken(task) == (name, why)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("Review this contract before I sign it: rent.pdf", "contract-review"),
        ("Translate this medical leaflet into Polish, please", "medical-translation"),
        ("Translate this letter into French", "translate-and-check"),
        ("What do we buy for the dishes of next week? Mind the allergens.", "canteen"),
        ("Half of my hives have varroa. What now?", "beekeepers"),
        ("Let our night desk answer: is the Klimt genuine?", "night_desk"),
        ("What do bees eat?", UNSURE),
    ],
)
async def test_a_users_own_team_is_chosen_by_its_description_like_a_built_in_one(
    project: Path, task: str, name: str
) -> None:
    written(project)
    assert (await taken(task))[0] == name


async def test_a_broken_team_file_hinders_no_other_team(project: Path) -> None:
    written(project)
    (project / ".guildhall" / "teams" / "contract-review.md").write_text("---\nname: [\n---\n")
    assert (await taken("Is there varroa in my hives?"))[0] == "beekeepers"
    assert (await taken("Review this contract and give me feedback."))[0] == "review"


@pytest.mark.parametrize(
    "task",
    [
        "How does Google Translate work?",
        "Why do most five-year plans count as failures?",
        "Who decided that a day has 24 hours?",
        "What were the main decisions of the Council of Nicaea?",
        "How should potatoes be stored over winter?",
        "```",
        "你好吗?",
    ],
)
async def test_a_question_that_only_has_words_of_a_team_in_it_is_research(project: Path, task: str) -> None:
    assert (await taken(task))[0] == "research"


async def test_what_is_worked_on_does_not_decide_who_works_on_it(project: Path) -> None:
    letter = "Dear guests,\n\nreview the plan of the project, fix the bugs in the code and vote.\n\n" * 4
    assert (await taken(f"Translate into Italian:\n\n{letter}"))[0] == "translate-and-check"
    code = "```\nfor i in range(len(xs)):\n    print(xs[i])\n```"
    assert (await taken(f"Review this, please.\n\n{code}"))[0] == "code-review"


def test_the_labelled_tasks_are_of_every_team_and_in_one_set_each() -> None:
    sets = [[task for task, _ in routing.labelled("teams", name)] for name in routing.there("teams")]
    assert sum(map(len, sets)) == len(set().union(*sets)) >= 100
    for name in ("tuning", "held out"):
        assert {label for _, label in routing.labelled("teams", name)} == set(routing.built_in().team_names())


@pytest.mark.parametrize(("name", "floor", "sure"), [("tuning", 0.8, 0.95), ("held out", 0.65, 0.85)])
def test_the_rule_takes_the_right_team_often_and_a_wrong_one_seldom(
    name: str, floor: float, sure: float
) -> None:
    tasks, guess = routing.labelled("teams", name), routing.by_suiting(routing.built_in())
    assert routing.accuracy(tasks, guess) >= floor
    left = [pair for pair in tasks if guess(pair[0]) != UNSURE]
    assert routing.accuracy(left, guess) >= sure
