"""Where specialists and teams are found, and what they are made of."""

import re
from pathlib import Path

import pytest

from guildhall.agents.discovery import BUILT_IN, Library, Listed
from guildhall.agents.spec_types import SpecialistSpec, TeamSpec
from guildhall.errors import FileError, NameUnknown

KNOWN_TOOLS = {"read_file", "search_files", "recall", "remember"}


@pytest.fixture
def library(project: Path, home: Path) -> Library:
    return Library(project, home)


def team(folder: Path, name: str, members: str, more: str = "") -> Path:
    path = folder / "teams" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"---\nname: {name}\ndescription: Team {name}\nmembers: [{members}]\n{more}---\n", "utf-8"
    )
    return path


def specialist(folder: Path, name: str, instructions: str = "Be good.") -> Path:
    path = folder / "specialists" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\nname: {name}\ndescription: Role {name}\n---\n{instructions}\n", "utf-8")
    return path


def test_every_built_in_file_can_be_used(library: Library) -> None:
    listed: list[Listed[SpecialistSpec] | Listed[TeamSpec]] = [*library.specialists(), *library.teams()]
    assert [(one.name, str(one.error)) for one in listed if one.error] == []
    assert {one.origin for one in listed} == {"built-in"}
    for one in library.specialists():
        assert one.spec is not None
        assert one.spec.capabilities
        assert set(one.spec.tools) <= KNOWN_TOOLS
        if not one.spec.human:  # who reads them with every question
            assert 60 <= len(one.spec.instructions.split()) <= 170
    for name in library.team_names():
        assert library.resolve(name)
        assert library.notices_for(name) == ()


def test_the_built_in_teams_are_those_that_are_promised(library: Library) -> None:
    assert library.team_names() == [
        "brainstorm", "code-review", "decision", "expert-pool", "fact-check", "landscape", "project",
        "research", "review", "translate-and-check",
    ]  # fmt: skip
    assert library.team("landscape").members == (
        "analyst",
        "market-analyst",
        "risk-analyst",
        "trend-forecaster",
    )
    assert library.team("research").everyone == ("researcher", "analyst", "critic", "synthesizer")
    assert {one.spec.model for one in library.specialists() if one.spec} == {None}  # the task decides


def test_built_in_roles_can_be_told_apart(library: Library) -> None:
    words = {
        one.name: set(re.findall(r"[a-z]{4,}", f"{one.spec.description} {one.spec.capabilities}".lower()))
        for one in library.specialists()
        if one.spec
    }
    for name, mine in words.items():
        for other, theirs in words.items():
            shared = len(mine & theirs) / len(mine | theirs)
            assert name == other or shared < 0.2, (name, other, mine & theirs)


def test_making_a_library_touches_no_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    library = Library(file, file)  # nothing is read until something is asked for
    assert library.team("research").name == "research"


def test_the_project_comes_before_the_user_and_both_before_the_built_in(
    library: Library, project: Path, home: Path
) -> None:
    team(home, "research", "analyst")
    assert library.team("research").members == ("analyst",)
    path = team(project / ".guildhall", "research", "critic")
    assert library.team("research").members == ("critic",)
    listed = {one.name: one for one in library.teams()}["research"]
    assert (listed.origin, listed.path, listed.shadows) == ("project", path, "user")


def test_a_file_in_place_of_another_is_told(library: Library, project: Path, home: Path) -> None:
    team(project / ".guildhall", "research", "critic, editor")
    path = specialist(home, "critic")
    assert library.notices_for("research") == (
        "team research: .guildhall/teams/research.md of this project is used in place of the built-in one",
        f"specialist critic: {path} is used in place of the built-in one",
    )
    assert library.notices_for("editor", kind="specialist") == ()


def test_a_name_that_is_almost_right_is_suggested(library: Library) -> None:
    with pytest.raises(NameUnknown, match=r"no team 'reserch'; did you mean research\?"):
        library.team("reserch")
    with pytest.raises(NameUnknown, match="'critic' is a specialist; `guildhall teams` lists them"):
        library.team("critic")


@pytest.mark.parametrize("name", ["../teams/research", "Research", "", "a/b", "research.md", "x" * 65, "\0"])
def test_a_name_that_cannot_be_one_finds_nothing(library: Library, name: str) -> None:
    with pytest.raises(NameUnknown):
        library.team(name)


def test_a_broken_file_is_listed_with_its_error_and_hides_none_of_the_others(
    library: Library, project: Path
) -> None:
    folder = project / ".guildhall"
    team(folder, "mine", "critic").write_text("---\nname: mine\n", "utf-8")
    team(folder, "Mixed Case", "critic")
    team(folder, "README", "critic")
    listed = {one.name: one for one in library.teams()}
    assert {"landscape", "research", "review", "mine", "Mixed Case"} < set(listed)
    assert "README" not in listed
    assert listed["mine"].error is not None
    assert listed["mine"].error.code == "no_front_matter"
    assert listed["Mixed Case"].error is not None
    assert listed["research"].spec is not None
    with pytest.raises(FileError):
        library.team("mine")


def test_a_broken_file_of_the_project_is_not_passed_over(library: Library, project: Path) -> None:
    team(project / ".guildhall", "research", "").write_text("# Research\n", "utf-8")
    with pytest.raises(FileError, match=r"research\.md:1"):
        library.team("research")


def test_the_file_must_be_called_as_the_team_is(library: Library, project: Path) -> None:
    team(project / ".guildhall", "legal", "critic").rename(project / ".guildhall/teams/law.md")
    with pytest.raises(
        FileError, match=r"law\.md:2: name: the file law\.md must hold the name law, not legal"
    ):
        library.team("law")


def test_members_are_specialists_and_teams(library: Library, project: Path) -> None:
    folder = project / ".guildhall"
    team(folder, "inner", "critic, editor")
    team(folder, "outer", "researcher, inner")
    found = library.resolve("outer")
    assert list(found) == ["researcher", "inner", "critic", "editor"]
    assert isinstance(found["inner"], TeamSpec)
    assert isinstance(found["editor"], SpecialistSpec)


def test_an_unknown_member_is_named_with_its_line(library: Library, project: Path) -> None:
    team(project / ".guildhall", "mine", "critc, editor")
    with pytest.raises(FileError, match=r"mine\.md:4: members: .*'critc'; did you mean critic\?"):
        library.resolve("mine")
    team(project / ".guildhall", "mine", "critic", "synthesizer: ghost\n")
    with pytest.raises(FileError, match=r"mine\.md:5: synthesizer: there is no specialist or team 'ghost'"):
        library.resolve("mine")


def test_teams_that_contain_each_other_are_refused_with_the_chain(library: Library, project: Path) -> None:
    folder = project / ".guildhall"
    team(folder, "one", "critic, two")
    team(folder, "two", "three")
    team(folder, "three", "editor, two")
    with pytest.raises(FileError, match="contain each other: two -> three -> two"):
        library.resolve("one")


def test_many_ways_to_one_team_are_gone_once(library: Library, project: Path) -> None:
    folder = project / ".guildhall"
    for level in range(40):
        team(folder, f"left{level}", f"left{level + 1}, right{level + 1}")
        team(folder, f"right{level}", f"left{level + 1}, right{level + 1}")
    specialist(folder, "left40")
    specialist(folder, "right40")
    assert len(library.resolve("left0")) == 80


def test_teams_are_not_nested_without_end(library: Library, project: Path) -> None:
    for level in range(100):
        team(project / ".guildhall", f"t{level}", f"t{level + 1}")
    with pytest.raises(FileError, match="more than 64 deep"):
        library.resolve("t0")


def test_a_name_for_both_a_specialist_and_a_team_is_refused_as_a_member(
    library: Library, project: Path
) -> None:
    folder = project / ".guildhall"
    team(folder, "critic", "editor")
    team(folder, "mine", "critic")
    with pytest.raises(FileError, match=r"'critic' is a specialist and a team .*; rename one of them"):
        library.resolve("mine")


def test_a_model_cannot_be_pinned_to_a_team(library: Library, project: Path) -> None:
    team(project / ".guildhall", "mine", "research, critic", "models: {critic: fast, research: strong}\n")
    with pytest.raises(FileError, match=r"mine\.md:5: models: 'research' is a team"):
        library.resolve("mine")


def test_a_fingerprint_changes_with_every_file_the_team_is_made_of(library: Library, project: Path) -> None:
    folder = project / ".guildhall"
    team(folder, "inner", "critic")
    team(folder, "outer", "inner")
    seen = [library.fingerprint("outer"), library.fingerprint("outer")]
    assert seen[0] == seen[1]
    specialist(folder, "critic", "Be harsh.")
    seen.append(library.fingerprint("outer"))
    team(folder, "inner", "critic, editor")
    seen.append(library.fingerprint("outer"))
    assert len(set(seen)) == 3
    assert library.fingerprint("critic", kind="specialist") != library.fingerprint(
        "editor", kind="specialist"
    )


def test_a_file_that_was_changed_is_read_anew(library: Library, project: Path) -> None:
    specialist(project / ".guildhall", "mine", "First.")
    assert library.specialist("mine").instructions == "First."
    specialist(project / ".guildhall", "mine", "Second.")
    assert library.specialist("mine").instructions == "Second."


def test_a_user_folder_that_is_the_projects_shadows_nothing(project: Path) -> None:
    folder = project / ".guildhall"
    team(folder, "mine", "critic")
    listed = {one.name: one for one in Library(project, folder).teams()}["mine"]
    assert (listed.origin, listed.shadows) == ("project", None)


def test_the_library_is_data_alone() -> None:
    assert {path.suffix for path in BUILT_IN.rglob("*") if path.is_file()} == {".md"}
