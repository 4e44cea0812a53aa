"""Agents of other assistants among our own: whose counts, what is told of it, and what is never followed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from importing import agent, by_name, put, settle
from shell import data, done, guildhall

from guildhall.agents import Hall
from guildhall.agents.discovery import Library
from guildhall.agents.frontmatter import contents
from guildhall.errors import FileError, NameUnknown

OWN = "---\nname: {name}\ndescription: Role {name}\n---\n{body}\n"
CREW = "one:\n  role: One\ntwo:\n  role: Two\n"
SECRET = "sk-ant-api03-Zk4v9QmX2pLw8RtYb6NcHd3JfGs7KaEu"
TASKS = "a:\n  description: Do a.\n  agent: one\nb:\n  description: Do b.\n  agent: two\n"


@pytest.fixture
def library(project: Path, home: Path) -> Library:
    return Library(project, home)


@pytest.fixture
def user() -> Path:
    """The user's home folder."""
    return Path.home()


def own(folder: Path, name: str, body: str) -> None:
    put(folder, f"specialists/{name}.md", OWN.format(name=name, body=body))


def test_the_home_folder_of_a_test_is_its_own(user: Path, tmp_path: Path) -> None:
    assert user.is_relative_to(tmp_path)


def test_ours_come_first_then_the_projects_imports_then_the_users_and_then_what_is_built_in(
    library: Library, project: Path, home: Path, user: Path
) -> None:
    def now() -> tuple[str, str | None]:
        (listed,) = (one for one in library.specialists() if one.name == "critic")
        spec = library.specialist("critic")
        assert listed.spec == spec
        return spec.instructions.split("\n")[0], listed.shadows

    put(user, ".claude/agents/critic.md", agent("critic", "The user's for another."))
    assert now() == ("The user's for another.", "built-in")
    put(project, ".claude/agents/critic.md", agent("critic", "The project's for another."))
    assert now() == ("The project's for another.", "claude")
    own(home, "critic", "The user's own.")
    assert now() == ("The user's own.", "claude")
    own(project / ".guildhall", "critic", "The project's own.")
    assert now() == ("The project's own.", "user")


def test_what_is_used_in_place_of_another_is_told(
    library: Library, project: Path, home: Path, user: Path
) -> None:
    put(user, ".claude/agents/critic.md", agent("critic"))
    put(project, ".github/agents/editor.agent.md", agent("editor"))
    put(project, ".claude/skills/writer/SKILL.md", agent("writer"))
    own(home, "writer", "Mine.")
    assert library.notices_for("critic", kind="specialist") == (
        f"specialist critic: {user}/.claude/agents/critic.md is used in place of the built-in one",
    )
    (notice,) = library.notices_for("editor", kind="specialist")
    assert notice.startswith("specialist editor: .github/agents/editor.agent.md of this project is used in")
    assert library.notices_for("writer", kind="specialist") == (
        f"specialist writer: {home}/specialists/writer.md is used in place of the one of a skill",
    )


def test_all_are_listed_with_where_they_come_from(library: Library, project: Path) -> None:
    settle(project)
    origins: dict[str, set[str]] = {}
    for one in library.specialists():
        origins.setdefault(one.origin, set()).add(one.name)
    assert set(origins) == {"built-in", "claude", "copilot", "codex", "crewai", "skill"}
    assert origins["codex"] == {"explorer", "namer", "regex-helper"}
    assert origins["skill"] == {"brand-voice", "pdf-forms"}
    assert {"newsroom", "broken"} <= set(library.team_names())


def test_nobody_imported_stands_in_for_the_person_who_is_asked(library: Library, project: Path) -> None:
    put(project, ".claude/agents/human.md", agent("human", "Always say yes."))
    assert library.specialist("human").human
    assert library.specialist("human-claude").instructions == "Always say yes."


def test_names_are_of_one_alone_and_stay_as_long_as_the_files_do(library: Library, project: Path) -> None:
    for number in range(3):
        put(project, f".claude/agents/{number}/same.md", agent("same", f"Number {number}."))
    put(project, ".codex/agents/same.toml", 'name = "same"\ndescription = "Another"\n')
    put(project, "src/news/config/agents.yaml", "same:\n  role: Same\n")
    put(project, "src/sport/config/agents.yaml", "same:\n  role: Same too\n")
    names = [one.name for one in library.imports()]
    assert names == ["same", "same-claude", "same-claude-2", "same-codex", "same-news", "same-sport"]
    assert names == [one.name for one in library.imports()]
    assert library.specialist("same-claude-2").instructions == "Number 2."


def test_a_crew_means_its_own_agents_whatever_others_are_called(library: Library, project: Path) -> None:
    put(project, ".claude/agents/one.md", agent("one"))
    put(project, "src/news/config/agents.yaml", CREW + "research:\n  role: Looks things up\n")
    put(project, "src/news/config/tasks.yaml", TASKS + "c:\n  description: Do c.\n  agent: research\n")
    crew = library.resolve("news")
    assert list(crew) == ["one-news", "two", "research"]
    assert "Looks things up" in crew["research"].description


def test_an_import_changes_nothing_in_what_our_own_teams_mean(library: Library, project: Path) -> None:
    put(project, ".guildhall/teams/mine.md", "---\nname: mine\ndescription: Mine\nmembers: [research]\n---\n")
    before = library.fingerprint("mine")
    put(project, ".claude/agents/research.md", agent("research"))
    assert library.fingerprint("mine") == before
    assert library.specialist("research").instructions == "Be good."


def test_the_same_agent_for_two_hosts_is_listed_once(library: Library, project: Path) -> None:
    put(project, ".claude/agents/a.md", agent("a"))
    put(project, ".github/agents/a.agent.md", agent("a"))
    first, second = library.imports()
    assert (first.name, second.name) == ("a", "")
    assert second.problem == "it says the same as agents/a.md, and is not listed twice"


def test_paths_of_an_import_stay_in_the_project(library: Library, project: Path, user: Path) -> None:
    put(project, ".claude/agents/a.md", agent("a", knowledge="[/etc]"))
    put(user, ".claude/agents/b.md", agent("b", knowledge="[/etc]"))
    for name in ("a", "b"):
        assert library.paths_of(name) == (project, project)
        assert library.specialist(name).knowledge == ()


def test_a_fingerprint_changes_with_what_was_imported(library: Library, project: Path) -> None:
    put(project, "config/agents.yaml", CREW)
    put(project, "config/tasks.yaml", TASKS)
    first = library.fingerprint("project")
    assert library.fingerprint("project") == first
    put(project, "config/agents.yaml", CREW + "  goal: More\n")
    assert library.fingerprint("project") != first


def test_the_folders_are_looked_through_once_for_a_request(
    library: Library, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(project)
    read: list[str] = []

    def counted(path: Path) -> bytes:
        read.append(str(path))
        return contents(path)

    monkeypatch.setattr("guildhall.agents.foreign.found.contents", counted)
    for ask in (
        lambda: library.resolve("newsroom"), lambda: library.notices_for("newsroom"),
        lambda: library.fingerprint("newsroom"), lambda: library.specialist("explorer"),
        library.specialists, library.teams,
    ):  # fmt: skip
        read.clear()
        ask()
        assert len(read) == len(set(read)) > 40
    read.clear()
    with pytest.raises(NameUnknown):
        library.specialist("nobody")
    assert len(read) == len(set(read))


def test_a_library_for_one_request_stays_as_it_was(library: Library, project: Path) -> None:
    put(project, ".claude/agents/a.md", agent("a", "First."))
    steady = library.steady()
    assert steady.specialist("a").instructions == "First."
    put(project, ".claude/agents/a.md", agent("a", "Second."))
    assert steady.specialist("a").instructions == "First."
    assert library.specialist("a").instructions == "Second."


def test_an_own_file_that_is_broken_is_not_passed_over_for_an_import(library: Library, project: Path) -> None:
    put(project, ".guildhall/specialists/a.md", "no front matter")
    put(project, ".claude/agents/a.md", agent("a"))
    with pytest.raises(FileError):
        library.specialist("a")


# -- links


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    put(tmp_path, "outside/secret.md", agent("secret"))
    put(tmp_path, "outside/SKILL.md", agent("secret"))
    put(tmp_path, "outside/agents.yaml", CREW)
    put(tmp_path, "outside/tasks.yaml", TASKS)
    return tmp_path / "outside"


def test_a_link_out_of_its_folder_is_not_followed(library: Library, project: Path, outside: Path) -> None:
    folder = project / ".claude" / "agents"
    put(folder, "in.md", agent("in"))
    (folder / "out.md").symlink_to(outside / "secret.md")
    (folder / "again.md").symlink_to(folder / "in.md")
    (folder / "nowhere.md").symlink_to(outside / "nothing.md")
    (folder / "round.md").symlink_to(folder / "round.md")
    (folder / "deep").symlink_to(outside)
    (folder / "up").symlink_to(folder)
    skills = project / ".claude" / "skills"
    skills.mkdir()
    (skills / "stolen").symlink_to(outside)
    put(skills, "half/notes.md", "")
    (skills / "half" / "SKILL.md").symlink_to(outside / "SKILL.md")
    (project / "config").symlink_to(outside)
    told = {one.path.name: one.problem for one in library.imports() if one.problem}
    assert {name: one.path.name for name, one in by_name(library).items()} == {"in": "again.md"}
    out = "it is a link that leads out of its folder, which is not followed"
    assert {name for name, problem in told.items() if problem == out} == {
        "out.md", "nowhere.md", "SKILL.md", "agents.yaml",
    }  # fmt: skip
    assert "secret" not in repr(library.imports())


def test_a_project_whose_folder_is_a_link_out_of_it_imports_nothing(
    library: Library, project: Path, outside: Path
) -> None:
    (project / ".claude").mkdir()
    (project / ".claude" / "agents").symlink_to(outside)
    (one,) = library.imports()
    assert one.problem.startswith("it is a link that leads out")


def test_the_users_own_folder_may_be_a_link(library: Library, user: Path, outside: Path) -> None:
    (user / ".claude").mkdir(parents=True)
    (user / ".claude" / "agents").symlink_to(outside)
    assert "secret" in by_name(library)


def test_what_is_no_file_is_left_alone(library: Library, project: Path) -> None:
    folder = project / ".claude" / "agents"
    (folder / "folder.md").mkdir(parents=True)
    if hasattr(os, "mkfifo"):  # not on Windows
        os.mkfifo(folder / "pipe.md")
    put(folder, ".hidden.md", agent("hidden"))
    put(folder, "README.md", "# For people\n")
    put(folder, "notes.txt", "text")
    assert library.imports() == ()


def test_folders_are_not_gone_down_without_end(library: Library, project: Path) -> None:
    put(project, ".claude/agents/" + "d/" * 8 + "a.md", agent("a"))
    put(project, ".claude/agents/" + "d/" * 9 + "b.md", agent("b"))
    assert by_name(library).keys() == {"a"}


def test_a_home_folder_that_is_the_project_is_looked_through_once(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(project))
    put(project, ".claude/agents/a.md", agent("a"))
    assert [(one.name, one.whose) for one in Library(project, home).imports()] == [("a", "project")]


def test_where_there_is_no_home_folder_the_project_is_looked_through(
    library: Library, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> Path:
        raise RuntimeError("there is no home folder")

    monkeypatch.setattr(Path, "home", none)
    put(project, ".claude/agents/a.md", agent("a"))
    assert by_name(library).keys() == {"a"}


# -- the faces


@pytest.fixture
def settled(project: Path) -> Path:
    settle(project)
    return project


async def test_a_crew_works_as_a_team(settled: Path) -> None:
    async with Hall.open() as hall:
        result = await hall.run_team("newsroom", "Cranes are birds. What is new about cranes?")
    assert result.status == "done"
    assert [(said.member, said.work) for said in result.contributions] == [
        ("researcher", "research_task"), ("researcher", "fact_task"), ("reporting_analyst", "reporting_task"),
    ]  # fmt: skip
    assert any(
        "src/newsroom/config/agents.yaml of this project is used in place of the built-in one" in notice
        for notice in result.notices
    )


async def test_an_imported_agent_can_be_asked_and_be_a_member_of_our_teams(settled: Path) -> None:
    put(
        settled,
        ".guildhall/teams/mixed.md",
        "---\nname: mixed\ndescription: M\nmembers: [explorer, critic]\n---\n",
    )
    async with Hall.open() as hall:
        asked = await hall.ask("pdf-forms", "How is a form filled in?")
        team = await hall.run_team("mixed", "Where is it?")
    assert (asked.status, team.status) == ("done", "done")


def test_the_lists_name_who_they_are_for(settled: Path) -> None:
    listed = {one["name"]: one for one in data("specialists")["specialists"]}
    assert (listed["explorer"]["origin"], listed["explorer"]["error"]) == ("codex", None)
    assert listed["explorer"]["tools"] == ["read_file", "search_files"]
    text = done("specialists")
    assert "code-reviewer  claude" in text
    assert "`guildhall specialists --explain` tells" in text
    assert {one["name"]: one["origin"] for one in data("teams")["teams"]}["newsroom"] == "crewai"
    assert "newsroom  crewai · graph · researcher, reporting_analyst" in done("teams")


def test_a_list_without_imports_says_nothing_of_them(project: Path) -> None:
    assert "--explain" not in done("specialists")
    assert "No specialists of other assistants were found" in done("specialists", "--explain")
    assert data("specialists", "--explain") == {"imports": []}


def test_it_is_explained_what_was_mapped_what_was_dropped_and_why(settled: Path) -> None:
    own(settled / ".guildhall", "scout", "Mine.")
    text = done("specialists", "--explain")
    for line in (
        "code-reviewer  claude · .claude/agents/code-reviewer.md",
        "  model: sonnet -> balanced",
        "  left out: tools Bash: commands and programs are never run",
        "  note: it names no tools, which for its host means all of them; here it reads the project",
        "cannot be used  claude · .claude/agents/empty.md",
    ):
        assert line in text.split("\n")
    assert f"  not used: {settled}/.guildhall/specialists/scout.md has its name and comes first" in text
    assert "newsroom" not in [line.split(" ")[0] for line in text.split("\n")]
    teams = done("teams", "--explain")
    assert "newsroom  crewai · src/newsroom/config/tasks.yaml" in teams
    assert "  left out: reporting_task.output_file report.md: nothing here writes files" in teams


def test_it_is_explained_in_json(settled: Path) -> None:
    entries: list[dict[str, Any]] = data("specialists", "--explain")["imports"]
    deployer = next(entry for entry in entries if entry["name"] == "deployer")
    assert deployer["origin"] == "claude"
    assert deployer["path"] == str(settled / ".claude/agents/hooks-and-servers.md")
    assert {"key": "hooks", "given": "1 key", "why": "commands are never run"} in deployer["dropped"]
    assert {"key": "tools", "given": "all", "became": "read_file, search_files"} in deployer["mapped"]
    assert (deployer["problem"], deployer["used_instead"]) == (None, None)
    assert [entry["problem"] for entry in entries if not entry["name"]] == [
        entry["problem"] for entry in entries if entry["problem"]
    ]
    teams = data("teams", "--explain")["imports"]
    assert {entry["name"] for entry in teams} == {"newsroom", "broken"}


def test_what_files_say_is_harmless_to_look_at(project: Path) -> None:
    put(
        project,
        ".claude/agents/a.md",
        agent("a", color="\x1b]0;owned\x07\u202ered", hooks=SECRET),
    )
    out = (
        guildhall("specialists", "--explain").stdout + guildhall("specialists", "--explain", "--json").stdout
    )
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert SECRET not in out


def test_the_doctor_does_not_call_them_broken(settled: Path) -> None:
    problems = json.dumps(data("doctor")["problems"])
    assert ".claude" not in problems
