"""CrewAI's crews: agents.yaml becomes specialists, tasks.yaml a team of them."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..patterns.graph import MOST_STEPS
from ..patterns.graph_spec import GraphSpec, StepSpec
from ..patterns.hierarchy_spec import HierarchySpec
from ..spec_types import SpecialistSpec
from . import loose, models, tools
from .imported import Draft, Imported, shown
from .text import Unusable, decoded, description, slug, tidy

_LONGEST_TASK, _MOST_NEEDS, _MOST_AGENTS = 1_900, 100, 100
_PROSE = frozenset(("role", "goal", "backstory", "description", "expected_output"))
_AGENT_KEYS = frozenset(
    """
    role goal backstory llm model tools max_iter verbose allow_delegation memory cache max_rpm
    function_calling_llm max_execution_time max_retry_limit allow_code_execution code_execution_mode
    system_template prompt_template response_template step_callback knowledge_sources embedder reasoning
    multimodal respect_context_window inject_date
    """.split()
)  # fmt: skip
_TASK_KEYS = frozenset(
    """
    description expected_output agent context tools async_execution output_file output_json output_pydantic
    human_input guardrail callback markdown name config create_directory condition
    """.split()
)  # fmt: skip
_WHY_NOT = {
    "verbose": "a run shows what everybody does",
    "allow_delegation": "who hands work to whom is said by the team's pattern",
    "memory": "memory is that of the project, and every specialist is shown what bears on its task",
    "cache": "the cache is that of the run", "max_rpm": "limits are those of the models, in config.toml",
    "max_execution_time": "time is a budget of the run",
    "allow_code_execution": "commands and programs are never run",
    "code_execution_mode": "commands and programs are never run",
    "step_callback": "it names code, which is never run", "callback": "it names code, which is never run",
    "guardrail": "it names code, which is never run", "output_pydantic": "it names code, which is never run",
    "output_json": "it names code, which is never run",
    "async_execution": "each step starts the moment those it needs have ended",
    "output_file": "nothing here writes files", "create_directory": "nothing here writes files",
    "human_input": "a person is asked where a team has one as a member or for its conflicts",
    "tools": "tools are those of the specialist",
}  # fmt: skip
_PLACEHOLDER = re.compile(r"\{[A-Za-z_]\w{0,60}\}")


class _Task(NamedTuple):
    """One task: who does it, if its file says it, and after which others."""

    id: str
    member: str
    text: str
    needs: tuple[str, ...]


def crew(agents: bytes, tasks: bytes | None, called: str) -> tuple[Imported, ...]:
    """What both files came to, the specialists first; `tasks` is None where there is no such file."""
    draft = Draft("crewai")
    try:
        given = _sections(draft, agents, _AGENT_KEYS)
        made, names = _agents(draft, given)
    except Unusable as why:
        made, names = [draft.unusable(str(why))], {}
    if tasks is None:
        return tuple(made)
    draft = Draft("crewai")
    try:
        return (*made, _team(draft, _sections(draft, tasks, _TASK_KEYS), names, slug(called) or "crew"))
    except Unusable as why:
        return (*made, draft.unusable(str(why), kind=GraphSpec))


def _sections(draft: Draft, data: bytes, known: frozenset[str]) -> dict[str, Any]:
    text, notes = decoded(data)
    found, odd = loose.sections(text, known, _PROSE)
    draft.notes += [*notes, *odd]
    return found


def _agents(of_file: Draft, given: Mapping[str, Any]) -> tuple[list[Imported], dict[str, str]]:
    """The specialists, and the names that they got by what the file calls them."""
    made: list[Imported] = []
    names: dict[str, str] = {}
    for key, said in [*given.items()][:_MOST_AGENTS]:
        if isinstance(said, dict) and any(tidy(said.get(part)) for part in ("role", "goal", "backstory")):
            draft = Draft("crewai", notes=[*of_file.notes])
            made.append(_specialist(draft, key, said, _free(slug(key) or "agent", names.values())))
            if made[-1].spec:
                names[key] = made[-1].name
    if not made:
        raise Unusable("there is no agent of CrewAI in it: none has a role, a goal or a backstory")
    return made, names


def _specialist(draft: Draft, key: str, said: Mapping[str, Any], name: str) -> Imported:
    role, goal, backstory = (tidy(said.get(part)) for part in ("role", "goal", "backstory"))
    draft.maps("the agent", key, name)
    draft.maps("role, goal, backstory", role or goal or backstory, "description and instructions")
    _tell_placeholders(draft, role, goal, backstory)
    told, _ = description(": ".join(filter(None, (role, goal))) or backstory)
    lines = (f"You are {role}." if role else "", f"Your goal: {goal}" if goal else "", backstory)
    llm = next((part for part in ("llm", "model") if part in said), None)
    values = {
        "name": name,
        "description": told,
        "instructions": "\n\n".join(filter(None, lines)),
        "model": models.tier(draft, said[llm], key=llm) if llm else None,
        "max_turns": models.turns(draft, said.get("max_iter"), key="max_iter"),
        "tools": tools.mapped(draft, said["tools"]) if said.get("tools") else (),
    }
    for part, value in said.items():
        if part not in ("role", "goal", "backstory", llm, "max_iter", "tools"):
            draft.drops(part, value, _WHY_NOT.get(part, "nothing here stands for it"))
    return draft.made(SpecialistSpec, values)


def _team(draft: Draft, given: Mapping[str, Any], names: Mapping[str, str], called: str) -> Imported:
    """The tasks as the steps of a graph, or for a manager to hand out, where not all say who does them."""
    said = {key: task for key, task in given.items() if isinstance(task, dict) and _text(task)}
    if not said:
        raise Unusable("there is no task of CrewAI in it: none has a description or an expected_output")
    if not names:
        raise Unusable("there are no agents beside it who could do its tasks")
    if len(said) > MOST_STEPS:
        raise Unusable(f"it has more than {MOST_STEPS} tasks, the most there can be in a team")
    tasks = _tasks(draft, said, names)
    first = f"{len(tasks)} task{'s' * (len(tasks) > 1)}"
    values: dict[str, Any] = {
        "name": called,
        "description": f"A crew of CrewAI with {first}: {', '.join(task.id for task in tasks)}"[:500],
    }
    draft.maps("the folder", called, called)
    if all(task.member for task in tasks):
        members = tuple(dict.fromkeys(task.member for task in tasks))
        steps = tuple(
            StepSpec(id=task.id, member=task.member, task=_short(task), needs=task.needs) for task in tasks
        )
        brief = "\n\n".join(f"Task {task.id}: {task.text}" for task in tasks if _short(task) != task.text)
        draft.maps("tasks", [*said], f"{len(steps)} steps of a graph")
        draft.notes.append(
            "it is taken to be sequential: whether a manager leads it stands in code, which is not read"
        )
        return draft.made(GraphSpec, values | {"members": members, "steps": steps, "brief": brief})
    brief = "The tasks, in their order:\n\n" + "\n\n".join(f"{task.id}: {task.text}" for task in tasks)
    draft.maps("tasks", [*said], "the brief of a hierarchy, whose manager hands them out")
    members = tuple(name for name in dict.fromkeys(names.values()) if name != "manager")
    return draft.made(HierarchySpec, values | {"members": members, "brief": brief})


def _tasks(draft: Draft, said: Mapping[str, Any], names: Mapping[str, str]) -> list[_Task]:
    ids: dict[str, str] = {}
    tasks: list[_Task] = []
    for key, task in said.items():
        who, text = tidy(task.get("agent")), _text(task)
        member = names.get(who) or next((name for one, name in names.items() if slug(one) == slug(who)), "")
        if not member and len(names) == 1:
            (member,) = names.values()
            draft.notes.append(f"{member} does all of it: nobody else is there")
        if not member:
            why = (
                "there is no such agent beside it" if who else "who does it stands in code, which is not read"
            )
            draft.drops(f"{key}.agent", who, f"{why}: a manager hands out the tasks")
        needs = _needs(draft, key, task, ids)
        ids[key] = _free(slug(key) or "task", ids.values())
        tasks.append(_Task(ids[key], member, text, needs))
        _tell_placeholders(draft, text)
        for part, value in task.items():
            if part not in ("description", "expected_output", "agent", "context"):
                draft.drops(f"{key}.{part}", value, _WHY_NOT.get(part, "nothing here stands for it"))
    return tasks


def _needs(draft: Draft, key: str, task: Mapping[str, Any], before: Mapping[str, str]) -> tuple[str, ...]:
    """The steps whose answers it is shown: those it names, or all before it, as CrewAI does it."""
    if "context" not in task:
        return tuple(before.values())[-_MOST_NEEDS:]
    given = task["context"]
    parts = given if isinstance(given, list) else re.split(r"[\s,\[\]]+", tidy(given))
    wished = [name for name in map(tidy, parts) if name]
    for name in wished:
        if name not in before:
            draft.drops(f"{key}.context", name, "no task before it is called so")
    needs = tuple(dict.fromkeys(before[name] for name in wished if name in before))[:_MOST_NEEDS]
    if needs:
        draft.maps(f"{key}.context", wished, f"needs {', '.join(needs)}"[:200])
    return needs


def _text(task: Mapping[str, Any]) -> str:
    wanted = tidy(task.get("expected_output"))
    return "\n\n".join(filter(None, (tidy(task.get("description")), wanted and f"Expected: {wanted}")))


def _short(task: _Task) -> str:
    if len(task.text) <= _LONGEST_TASK:
        return task.text
    return (
        task.text[:_LONGEST_TASK].rpartition(" ")[0] + f"… (the whole of it is Task {task.id} of the brief)"
    )


def _free(name: str, taken: Any) -> str:
    """The name, or the first with a number behind it that is free."""
    others, number, free = set(taken), 1, name
    while free in others:
        number += 1
        free = f"{name[:56]}-{number}"
    return free


def _tell_placeholders(draft: Draft, *texts: str) -> None:
    if found := sorted({one for text in texts for one in _PLACEHOLDER.findall(text)}):
        draft.notes.append(f"{shown(found)} stands there as it is: say in your task what is meant")
