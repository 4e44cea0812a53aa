"""What agents that were written for other assistants come to here, format by format."""

import re
from pathlib import Path

import pytest
from importing import agent, by_name, dropped, put, settle, specialist

from guildhall.agents.discovery import Library
from guildhall.agents.foreign.imported import Imported
from guildhall.agents.patterns.graph_spec import GraphSpec
from guildhall.agents.patterns.hierarchy_spec import HierarchySpec
from guildhall.agents.spec_types import NAME, SpecialistSpec

USABLE = {
    "anchored", "api-designer", "api-tester", "architect", "bare", "bold", "brand-voice", "broken",
    "capital-keys", "careful-reader", "change-planner", "changelog-writer", "code-reviewer",
    "code-reviewer-claude", "data-engineer", "db-admin", "dependency-auditor", "deployer", "docs-reader",
    "echo-owned", "explorer", "frontend-designer", "generalist", "glossary-keeper", "greeter", "guide",
    "indented", "long-fences", "namer", "newsroom", "no-front-matter", "old-style", "other-script",
    "pdf-forms", "performance-engineer", "quiet-thinker", "quoted-badly", "readme-specialist",
    "regex-helper", "release-notes", "reporting_analyst", "researcher", "scout", "security-auditor",
    "sql-explainer", "tech-writer", "test-writer", "twice", "ux-researcher-senior",
}  # fmt: skip
"""All names that the corpus comes to."""


@pytest.fixture
def library(project: Path, home: Path) -> Library:
    return Library(project, home)


@pytest.fixture
def corpus(project: Path, home: Path) -> dict[str, Imported]:
    settle(project)
    return by_name(Library(project, home))


def only(library: Library) -> Imported:
    (one,) = library.imports()
    return one


def test_every_file_of_the_corpus_is_used_or_said_to_be_unusable(library: Library, project: Path) -> None:
    settle(project)
    found = library.imports()
    assert {one.name for one in found if one.spec} == USABLE
    assert all(NAME.fullmatch(one.name) and one.problem == "" for one in found if one.spec)
    unusable = {one.path.name: one.problem for one in found if not one.spec}
    assert set(unusable) == {
        "empty.md", "only-fences.md", "disabled.md", "code-reviewer.agent.md", "not-toml.toml", "agents.yaml",
    }  # fmt: skip
    assert all(unusable.values())


def test_every_file_of_the_corpus_makes_a_spec_that_is_valid_by_our_own_rules(
    corpus: dict[str, Imported],
) -> None:
    for one in corpus.values():
        assert one.spec is not None
        assert type(one.spec).model_validate(one.spec.model_dump(exclude_unset=True)) == one.spec


def test_an_agent_of_claude_code_keeps_what_has_a_meaning_here(corpus: dict[str, Imported]) -> None:
    reviewer = specialist(corpus["code-reviewer"])
    assert reviewer.description.startswith("Reviews changed code for defects")
    assert reviewer.instructions.startswith("You are a senior reviewer.")
    assert (reviewer.model, reviewer.tools) == ("balanced", ("read_file", "search_files"))
    assert dropped(corpus["code-reviewer"]) == {"Bash": "commands and programs are never run"}
    engineer = specialist(corpus["performance-engineer"])
    assert (engineer.model, engineer.effort, engineer.max_turns) == ("strong", "high", 40)
    assert specialist(corpus["ux-researcher-senior"]).capabilities == ("interviews", "surveys", "usability")


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("release-notes", "Writes release notes: what is new, what is mended, what breaks"),
        ("data-engineer", "Use this agent for pipelines and warehouses."),
        ("api-designer", "Use this agent to design interfaces between services: names, errors, versions."),
        (
            "frontend-designer",
            "Use this agent when a page has to be designed or made easier to use.",
        ),
        ("performance-engineer", "Finds out why something is slow."),
        ("bold", "**Expert** in everything that matters"),
        ("capital-keys", "Its keys begin with capitals: so be it"),
        ("no-front-matter", "Incident Commander"),
        ("brand-voice", "Says how we write. When a text goes to customers"),
    ],
)
def test_a_description_is_what_its_writer_meant(
    name: str, description: str, corpus: dict[str, Imported]
) -> None:
    assert specialist(corpus[name]).description == description


@pytest.mark.parametrize(
    ("name", "tools"),
    [
        ("generalist", ("read_file", "search_files")),
        ("architect", ("read_file", "search_files")),
        ("quiet-thinker", ()),
        ("careful-reader", ("read_file",)),
        ("docs-reader", ("search_files",)),
        ("test-writer", ("read_file", "search_files")),
        ("db-admin", ("read_file", "search_files")),
        ("tech-writer", ("read_file",)),
        ("old-style", ("search_files",)),
        ("explorer", ("read_file", "search_files")),
        ("researcher", ("read_file",)),
        ("reporting_analyst", ()),
    ],
)
def test_tools_are_ours_that_do_the_same(
    name: str, tools: tuple[str, ...], corpus: dict[str, Imported]
) -> None:
    assert specialist(corpus[name]).tools == tools


def test_nothing_imported_gets_a_tool_that_changes_anything(corpus: dict[str, Imported]) -> None:
    given = {
        tool for one in corpus.values() if isinstance(one.spec, SpecialistSpec) for tool in one.spec.tools
    }
    assert given == {"read_file", "search_files"}
    for one in corpus.values():
        if isinstance(one.spec, SpecialistSpec):
            assert (one.spec.knowledge, one.spec.human) == ((), False)


@pytest.mark.parametrize("tools", ["remember, note, settle", "recall", "[note]", "memory", "Write"])
def test_tools_of_ours_that_change_something_cannot_be_asked_for(
    tools: str, library: Library, project: Path
) -> None:
    put(project, ".claude/agents/sly.md", agent("sly", tools=tools))
    assert specialist(only(library)).tools == ()
    assert only(library).dropped


def test_each_thing_that_is_left_out_has_its_reason(corpus: dict[str, Imported]) -> None:
    assert {fate.key: fate.said for fate in corpus["deployer"].dropped} == {
        "hooks": "commands are never run",
        "mcpServers": "MCP servers of the host are not reached from here",
        "model": "nothing tells which tier it belongs to; the task decides",
    }
    assert dropped(corpus["docs-reader"]) == {
        "Read(docs/**)": "it is held to some files, which read_file cannot be",
        "WebFetch(domain:example.com)": "nothing here reaches the web",
        "Agent(helper)": "a specialist starts no others; let them be the members of a team",
    }
    assert "inherit" in dropped(corpus["frontend-designer"])
    assert dropped(corpus["change-planner"])["github/*"].startswith("MCP servers")


def test_what_is_left_out_is_named_and_never_shown_where_it_can_hold_a_secret(
    corpus: dict[str, Imported],
) -> None:
    assert "abcdefghijklmnop" not in repr(corpus["deployer"])


@pytest.mark.parametrize(
    ("model", "tier"),
    [
        ("sonnet", "balanced"), ("Opus", "strong"), ("haiku", "fast"), ("claude-opus-4-1-20250805", "strong"),
        ("anthropic/claude-3-5-haiku-latest", "fast"), ("Claude Sonnet 4 (copilot)", "balanced"),
        ("gpt-9-mini", "fast"), ("gemini-9.9-flash", "fast"), ("fast", "fast"), ("[nobody, opus]", "strong"),
        ("inherit", None), ("gpt-17", None), ("gemini-9-pro-minimal", None), ("''", None), ("4", None),
        ("{a: b}", None), ("https://evil.example/v1", None), ("openai-compatible:evil", None),
    ],
)  # fmt: skip
def test_models_become_tiers(model: str, tier: str | None, library: Library, project: Path) -> None:
    put(project, ".claude/agents/a.md", agent("a", model=model))
    one = only(library)
    assert specialist(one).model == tier
    assert (tier is not None) == any(fate.key == "model" for fate in one.mapped)
    assert (tier is None) == any(fate.key == "model" for fate in one.dropped)


def test_a_model_of_the_table_is_of_its_tier(library: Library, project: Path) -> None:
    put(project, ".codex/agents/a.toml", 'name = "a"\ndescription = "A"\nmodel = "gpt-6-luna"\n')
    assert specialist(only(library)).model == "fast"


@pytest.mark.parametrize(
    ("given", "turns"), [("8", 8), ("5000", 100), ("0", None), ("many", None), ("9" * 30, None), ("-3", None)]
)
def test_turns_are_kept_within_our_bounds(
    given: str, turns: int | None, library: Library, project: Path
) -> None:
    put(project, ".claude/agents/a.md", agent("a", maxTurns=given))
    assert specialist(only(library)).max_turns == turns


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Code Reviewer", "code-reviewer"), ("ÉCLAIR Bäcker", "eclair-backer"), ("42-ways", "agent-42-ways"),
        ("../../etc/passwd", "etc-passwd"), ("x" * 200, "x" * 60), ("🔎", "from-the-file"),
        ("''", "from-the-file"), ("a\\tb", "a-tb"), ("under_score", "under_score"),
        ("{a: b}", "from-the-file"),
    ],
)  # fmt: skip
def test_names_become_valid(given: str, name: str, library: Library, project: Path) -> None:
    put(project, ".claude/agents/from-the-file.md", agent(given))
    assert only(library).name == name
    assert library.specialist(name).name == name


def test_codex_texts_are_found_where_the_toml_is_broken(corpus: dict[str, Imported]) -> None:
    helper = corpus["regex-helper"]
    assert "Explain \\d+ and \\w* in words" in specialist(helper).instructions
    assert specialist(helper).model == "fast"
    assert any("not valid TOML" in note for note in helper.notes)
    assert (specialist(corpus["explorer"]).effort, specialist(corpus["explorer"]).model) == ("high", "fast")


def test_a_skill_is_its_text_and_its_scripts_are_said_to_be_left_alone(corpus: dict[str, Imported]) -> None:
    skill = corpus["pdf-forms"]
    assert specialist(skill).instructions.startswith("# PDF forms")
    assert "beside it lie scripts: nothing there is read or run" in skill.notes


def test_an_agent_of_crewai_is_its_role_its_goal_and_its_backstory(corpus: dict[str, Imported]) -> None:
    researcher = corpus["researcher"]
    assert specialist(researcher).description == "{topic} Senior Researcher: Find what is new about {topic}"
    assert specialist(researcher).instructions == (
        "You are {topic} Senior Researcher.\n\nYour goal: Find what is new about {topic}\n\n"
        "You know where to look, and you say where you found it."
    )
    assert specialist(researcher).model == "fast"
    assert "{topic} stands there as it is: say in your task what is meant" in researcher.notes
    assert specialist(corpus["reporting_analyst"]).max_turns == 100


def test_tasks_become_the_steps_of_a_graph_and_their_context_what_they_need(
    corpus: dict[str, Imported],
) -> None:
    crew = corpus["newsroom"].spec
    assert isinstance(crew, GraphSpec)
    assert [(step.id, step.member, step.needs) for step in crew.steps] == [
        ("research_task", "researcher", ()),
        ("fact_task", "researcher", ("research_task",)),
        ("reporting_task", "reporting_analyst", ("research_task", "fact_task")),
    ]
    assert (
        crew.steps[1].task
        == "Check each of the ten points.\n\nExpected: The points that hold, each with its source"
    )
    assert dropped(corpus["newsroom"]) == {
        "no_such_task": "no task before it is called so",
        "report.md": "nothing here writes files",
        "True": "a person is asked where a team has one as a member or for its conflicts",
    }


def test_tasks_that_nobody_is_named_for_are_handed_out_by_a_manager(corpus: dict[str, Imported]) -> None:
    crew = corpus["broken"]
    assert isinstance(crew.spec, HierarchySpec)
    assert crew.spec.members == ("scout", "guide")
    assert "guiding: Plan a day in each\n\nExpected: A plan" in crew.spec.brief
    assert dropped(crew)["nobody"].startswith("there is no such agent beside it")


AGENTS = "one:\n  role: One\ntwo:\n  role: Two\n"


def task(name: str, who: str, more: str = "") -> str:
    return f"{name}:\n  description: Do {name}.\n  agent: {who}\n{more}"


def test_a_task_without_context_is_shown_all_before_it(library: Library, project: Path) -> None:
    put(project, "config/agents.yaml", AGENTS)
    tasks = task("a", "one") + task("b", "two", "  context: []\n") + task("c", "one")
    put(project, "config/tasks.yaml", tasks)
    crew = library.team("project")
    assert isinstance(crew, GraphSpec)
    assert [step.needs for step in crew.steps] == [(), (), ("a", "b")]


def test_tasks_cannot_wait_for_each_other(library: Library, project: Path) -> None:
    put(project, "config/agents.yaml", AGENTS)
    circle = task("a", "one", "  context: [b, a]\n") + task("b", "two", "  context: [a]\n")
    put(project, "config/tasks.yaml", circle)
    crew = library.team("project")
    assert isinstance(crew, GraphSpec)
    assert [step.needs for step in crew.steps] == [(), ("a",)]


def test_a_task_that_is_too_long_for_a_step_stands_in_the_brief(library: Library, project: Path) -> None:
    put(project, "config/agents.yaml", AGENTS)
    put(
        project,
        "config/tasks.yaml",
        f"long:\n  description: {'many words ' * 500}and the end\n  agent: one\n",
    )
    crew = library.team("project")
    assert isinstance(crew, GraphSpec)
    assert crew.brief.endswith("many words and the end")
    assert crew.steps[0].task.endswith("(the whole of it is Task long of the brief)")


def test_one_agent_does_all_that_nobody_is_named_for(library: Library, project: Path) -> None:
    put(project, "config/agents.yaml", "one:\n  goal: Do it\n")
    put(project, "config/tasks.yaml", "a:\n  description: Do a.\n")
    crew = library.team("project")
    assert isinstance(crew, GraphSpec)
    assert crew.members == ("one",)


def test_a_manager_among_the_agents_hands_out_the_tasks(library: Library, project: Path) -> None:
    put(project, "config/agents.yaml", AGENTS + "manager:\n  role: Leads\n")
    put(project, "config/tasks.yaml", "a:\n  description: Do a.\n")
    crew = library.team("project")
    assert isinstance(crew, HierarchySpec)
    assert (crew.manager, crew.members) == ("manager", ("one", "two"))
    assert "Leads" in library.specialist("manager").description


@pytest.mark.parametrize(
    ("folder", "called"),
    [
        ("config", "project"),
        ("", "project"),
        ("src/news/config", "news"),
        ("src/a/crews/poems/config", "poems"),
    ],
)
def test_crews_are_found_where_crewai_has_them(
    folder: str, called: str, library: Library, project: Path
) -> None:
    put(project / folder, "agents.yaml", AGENTS)
    put(project / folder, "tasks.yaml", task("a", "one"))
    assert library.team(called).members == ("one",)
    assert set(library.resolve(called)) == {"one"}


def test_agents_without_tasks_are_specialists_and_no_team(library: Library, project: Path) -> None:
    put(project, "config/agents.yml", AGENTS)
    assert {(one.kind, one.name) for one in library.imports()} == {
        ("specialist", "one"),
        ("specialist", "two"),
    }


@pytest.mark.parametrize("tasks", ["", "- a\n- b\n", "a: b\n", "a:\n  tools: [x]\n", "a" * 300_000])
def test_tasks_that_are_none_hide_no_agents(tasks: str, library: Library, project: Path) -> None:
    put(project, "config/agents.yaml", AGENTS)
    put(project, "config/tasks.yaml", tasks)
    assert [one.name for one in library.imports() if one.kind == "specialist"] == ["one", "two"]
    (team,) = (one for one in library.imports() if one.kind == "team")
    assert team.problem


def test_reports_never_name_a_folder_of_the_user(corpus: dict[str, Imported], project: Path) -> None:
    said = " ".join(note for one in corpus.values() for note in one.notes)
    assert str(project) not in said
    assert re.search(r"called code-reviewer-claude here, since agents/code-reviewer\.md has the name", said)
