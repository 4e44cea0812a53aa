"""Files that users write: what is wrong with one is said with its place, and never guessed at."""

import base64
import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from guildhall.agents.discovery import Library
from guildhall.agents.patterns.parallel import ParallelSpec
from guildhall.agents.patterns.pipeline import PipelineSpec
from guildhall.agents.specs import read_specialist, read_team
from guildhall.errors import FileError

CASES = json.loads((Path(__file__).parent / "data" / "bad_inputs.json").read_text("utf-8"))
later = {"team-29", "team-31", "team-32", "team-35", "team-43", "team-44", "team-55", "team-56"}
FILES = [case for case in CASES if case["kind"] != "path" and case["id"] not in later]


def content(case: dict[str, Any]) -> bytes:
    if "base64" in case:
        return base64.b64decode(case["base64"])
    value = eval(case["python"], {"__builtins__": builtins}) if "python" in case else case["text"]
    return value if isinstance(value, bytes) else str(value).encode()


def written(project: Path, kind: str, name: str, data: str | bytes) -> Path:
    path = project / ".guildhall" / f"{kind}s" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("case", FILES, ids=lambda case: f"{case['id']} {case['why']}")
def test_a_file_is_taken_or_refused_with_its_place(case: dict[str, Any], project: Path, home: Path) -> None:
    library = Library(project, home)
    name = "t" if case["kind"] == "team" else "a"
    path = written(project, case["kind"], name, content(case))

    def load() -> None:
        if case["kind"] == "specialist":
            library.specialist(name)
        else:
            library.resolve(name)

    if "error" not in case:
        return load()
    with pytest.raises(FileError) as refused:
        load()
    assert refused.value.code in case["error"]
    assert refused.value.path == str(path)
    if "line" in case:
        assert refused.value.line == case["line"]
    assert len(str(refused.value)) < 1_000
    return None


TEAM = "---\nname: t\ndescription: d\n{}\n---\n"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("members: [critic]\nbugdet: {usd: 1}", ":5: there is no key 'bugdet'; did you mean budget? allowed"),
        (
            "members: [critic]\nbudget: {usd: -1}",
            ":5: budget.usd: input should be greater than 0; given is -1",
        ),
        ("members: [critic]\nbudget: 5", ":5: budget: write keys with their values; its keys are usd, tok"),
        (
            "members: [critic]\nwatchdog: stop",
            ":5: watchdog: write keys with their values; its keys are repe",
        ),
        ("members: [critic]\nmodels: fast", ":5: models: write keys with their values, such as {one: two}"),
        (
            "members: [a]\npattern: map\npart: 4000\nwindow: 2000",
            ":6: part: 4000 tokens do not fit into the ",
        ),
        ("members: [a, b]\npattern: router\nthreshold: .9\nsure: .2", ":7: sure: 0.2 is below the threshold"),
        ("members: [a, b]\npattern: debate\njudge: b", ":6: judge: b proposes and judges; name another"),
        ("members: [a, judge]\npattern: debate", ":4: members: judge proposes and judges; name another"),
        ("members: [critic]\nbudget: {dollars: 1}", "allowed are usd, tokens, calls, seconds"),
        (
            "members: [critic]\npattern: committee",
            ":5: pattern: 'committee' is not one; allowed are ",
        ),
        ("members: [critic]\nneed: 1", ":5: need is no key of the pattern pipeline, but of "),
        ("pattern: pipeline", ":1: the key members is missing; required are name, description, members"),
        ("members: critic", ":4: members: write a list such as [one, two]; given is 'critic'"),
        ("members: [critic]\nmodels: {critic: big}", "fast, balanced, strong, extractive, or provider:name"),
        ("members: [critic]\nbrief: Hurry.", "brief is not a key: write it as the text below"),
        ("members: [critic]\npreference: cheap", ":5: preference: input should be 'cost_sensitive', 'speed_"),
        ("members: [Critic]", "members.0: a name has 1 to 64 of the characters a-z"),
    ],
)
def test_an_error_says_what_was_given_and_what_is_allowed(keys: str, said: str) -> None:
    with pytest.raises(FileError) as refused:
        read_team(TEAM.format(keys).encode())
    assert said in str(refused.value)


def test_what_is_written_in_a_word_is_taken_where_a_word_is_enough() -> None:
    team = read_team(
        TEAM.format("members: [a]\nsynthesizer: b\nconflicts: judge\nchecks: [citations]").encode()
    )
    assert team.conflicts is not None
    assert (team.conflicts.rule, team.checks[0].check) == ("judge", "citations")
    read_team(TEAM.format("members: [a, b]\npattern: router\nthreshold: .9").encode())  # sure from there on


def test_a_hidden_character_is_named() -> None:
    with pytest.raises(FileError, match=r":6: the hidden character U\+202E RIGHT-TO-LEFT OVERRIDE"):
        read_specialist("---\nname: a\ndescription: d\n---\nGood.\nBe \u202egood.\n".encode())


def test_a_team_with_a_synthesizer_is_parallel_and_any_other_a_pipeline() -> None:
    parallel = read_team(TEAM.format("members: [a, b]\nsynthesizer: c").encode())
    pipeline = read_team(TEAM.format("members: [a, b]").encode())
    assert isinstance(parallel, ParallelSpec)
    assert parallel.everyone == ("a", "b", "c")
    assert parallel.need == 1
    assert isinstance(pipeline, PipelineSpec)
    assert pipeline.everyone == ("a", "b")


def test_a_budget_is_taken_as_it_is_written() -> None:
    team = read_team(TEAM.format("members: [a]\nbudget: {usd: 1, tokens: 9, seconds: 2.5}").encode())
    budget = team.budget.to_budget()
    assert (budget.usd, budget.tokens, budget.calls, budget.seconds) == (1, 9, None, 2.5)


def test_a_team_may_say_what_counts_most_where_models_are_chosen() -> None:
    assert (
        read_team(TEAM.format("members: [a]\npreference: cost_sensitive").encode()).preference
        == "cost_sensitive"
    )
    assert read_team(TEAM.format("members: [a]").encode()).preference is None


def test_a_specialist_is_read_whole() -> None:
    spec = read_specialist(
        b"---\nname: lawyer\ndescription: Reads contracts\ncapabilities: [liability, terms of payment]\n"
        b"model: some-provider:some/model-1\npreference: speed_priority\ntools: [read_file]\n"
        b"knowledge: [docs/law]\neffort: high\nmax_turns: 5\nmemory: false\n"
        b"---\n\n  Read every clause.\n\n---\n\nThen answer.\n"
    )
    assert spec.instructions == "Read every clause.\n\n---\n\nThen answer."
    assert spec.capabilities == ("liability", "terms of payment")
    assert (spec.model, spec.effort, spec.max_turns, spec.memory) == (
        "some-provider:some/model-1",
        "high",
        5,
        False,
    )
    assert spec.preference == "speed_priority"
    assert (spec.tools, spec.knowledge) == (("read_file",), ("docs/law",))


@pytest.mark.parametrize("word", ["no", "on", "off", "yes", "2026-01-01", "1:30", "1_000", "0b1"])
def test_words_that_older_yaml_turns_into_values_stay_text(word: str) -> None:
    assert read_specialist(f"---\nname: a\ndescription: {word}\n---\nx".encode()).description == word


def test_text_is_composed_so_that_equal_text_is_equal() -> None:
    spec = read_specialist("---\nname: a\ndescription: cafe\u0301\n---\nna\u0131\u0308ve cafe\u0301".encode())
    assert spec.description == "caf\u00e9"
    assert spec.instructions.endswith("caf\u00e9")
