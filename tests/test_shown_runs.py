"""`runs show` and `--why` show a run of any pattern, on models that are chosen among several."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_models import fake_models
from shell import done, guildhall

from guildhall.names import PATTERNS


@pytest.fixture
def two_providers(monkeypatch: pytest.MonkeyPatch, project: Path) -> Iterator[None]:
    (project / "notes.md").write_text("The pier of Larvik was built in 1887, and rebuilt in 1921.")
    with fake_models() as server:
        for name in ("ANTHROPIC", "OPENAI"):
            monkeypatch.setenv(f"{name}_API_KEY", "k")
            monkeypatch.setenv(f"{name}_BASE_URL", server.url + "/v1" * (name == "OPENAI"))
        yield


@pytest.mark.usefixtures("two_providers")
def test_a_run_whose_models_were_chosen_is_drawn_to_its_end() -> None:
    done("run", "research", "When was the pier built?", "-f", "notes.md", "-q")
    shown = done("runs", "show")
    assert "model: " in shown
    assert shown.count("✓ ") == 5
    assert "research · parallel · done" in shown


@pytest.mark.usefixtures("two_providers")
def test_what_a_replay_decides_and_passes_on_again_is_not_shown_twice(project: Path) -> None:
    (project / ".guildhall" / "teams").mkdir()
    head = "name: sign\ndescription: d\npattern: pipeline\nmembers: [analyst, human, critic]"
    (project / ".guildhall" / "teams" / "sign.md").write_text(f"---\n{head}\n---\n")
    assert guildhall("run", "sign", "When was the pier built?", "-q").exit_code == 1
    done("answer", "", "In 1887.", "-q")
    shown = done("runs", "show")
    assert shown.count("model: ") == 2
    assert shown.count("sign to human: ") == 1
    assert shown.count("sign to critic: ") == 2


@pytest.mark.usefixtures("two_providers")
def test_a_route_is_shown_with_the_scores_of_all() -> None:
    guildhall(
        "run", "review", "Verify the year in these notes.", "-f", "notes.md", "-q", "--pattern", "router"
    )
    shown = done("runs", "show")
    assert "route: " in shown
    for name in ("critic", "fact-checker", "editor"):
        assert f"{name} 0." in shown


@pytest.mark.slow
@pytest.mark.deadline(60)
@pytest.mark.usefixtures("two_providers")
@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "graph"])
def test_a_run_of_any_pattern_can_be_shown_and_asked_why(pattern: str) -> None:
    guildhall(
        "run", "review", "Verify the year in these notes.", "-f", "notes.md", "-q", "--pattern", pattern
    )
    assert f"review · {pattern} · " in done("runs", "show")
    assert done("runs", "show", "--why", "3")
