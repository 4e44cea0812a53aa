"""Names that tell apart who is imported from one place."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ..patterns.graph_spec import GraphSpec
from ..patterns.hierarchy_spec import HierarchySpec
from ..spec_types import SpecialistSpec, TeamSpec
from .imported import Imported
from .text import slug

RESERVED = frozenset(("auto", "human"))
"""Nothing that is imported stands in for the person who is asked, nor for the choice of a team."""


def named(found: Iterable[Imported]) -> list[Imported]:
    """The same in the same order, each with a name that no other has; of two that are one, the first.

    A team's members are renamed with those whom it means; they stand before it.
    """
    there: dict[str, Imported] = {}
    alike: dict[tuple[str, str], str] = {}
    of_crew: dict[tuple[Path, str], str] = {}
    result: list[Imported] = []
    for one in found:
        spec, place = one.spec, one.path.parent
        if spec is None:
            result.append(one)
            continue
        told = (spec.description, spec.instructions) if isinstance(spec, SpecialistSpec) else None
        if told in alike:
            of_crew[place, spec.name] = alike[told]
            said = f"it says the same as {_shown(there[alike[told]].path)}, and is not listed twice"
            result.append(replace(one, name="", spec=None, problem=said))
            continue
        name, notes = _free(spec.name, slug(one.group) or one.host, there), one.notes
        if name != spec.name:
            who = f"{_shown(there[spec.name].path)} has" if spec.name in there else "guildhall itself has"
            notes = (*notes, f"it is called {name} here, since {who} the name {spec.name}")
        if told:
            of_crew[place, spec.name] = alike[told] = name
        spec = _renamed(spec, name, place, of_crew)
        there[name] = replace(one, name=name, spec=spec, notes=notes)
        result.append(there[name])
    return result


def _free(name: str, suffix: str, taken: Mapping[str, Imported]) -> str:
    for number in range(len(taken) + 3):
        end = ("", f"-{suffix[:20]}")[min(number, 1)] + f"-{number}" * (number > 1)
        free = f"{name[: 64 - len(end)]}{end}"
        if free not in taken and free not in RESERVED:
            return free
    raise AssertionError(name)  # there are more tries than names


def _renamed(
    spec: SpecialistSpec | TeamSpec, name: str, place: Path, names: Mapping[tuple[Path, str], str]
) -> SpecialistSpec | TeamSpec:
    """The spec with that name and, of a team, its members by the names that they have now."""
    update: dict[str, object] = {"name": name}
    if isinstance(spec, TeamSpec):
        now = {member: names.get((place, member), member) for member in spec.members}
        update["members"] = tuple(dict.fromkeys(now.values()))
        if isinstance(spec, GraphSpec):
            update["steps"] = tuple(
                step.model_copy(update={"member": now.get(step.member, step.member)}) for step in spec.steps
            )
        if isinstance(spec, HierarchySpec):
            update["manager"] = names.get((place, spec.manager), spec.manager)
    return spec.model_copy(update=update)


def _shown(path: Path) -> str:
    return "/".join(path.parts[-2:])
