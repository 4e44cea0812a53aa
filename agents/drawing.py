"""A team as a mermaid flowchart: who takes part as what, and what comes after what where that is laid out."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from .choosing import parts_of
from .patterns.graph import Graph, Step
from .patterns.pipeline import Pipeline
from .patterns.together import Part
from .rules import Ruled

LONGEST = 80
"""Characters of one line of a label."""
MOST_LEVELS = 16
"""Teams within teams that are drawn."""
_PLAIN = re.compile(r"[^\W_]| |,|(?<=[^\W_])[-._/](?=[^\W_])")


def drawn(member: Any, pattern: str = "") -> str:
    """The member and all who work for it, as mermaid text; `pattern` is what is said of the outermost."""
    return "\n".join(["flowchart TD", *_Drawing().team(member, pattern)])


def label(*lines: str) -> str:
    """The lines as a label of mermaid, in quotes: nothing in them is read as mermaid, markdown or HTML."""
    return '"' + "<br/>".join(filter(None, map(_escaped, lines))) + '"'


class _Drawing:
    """Numbers the nodes; each method gives the lines of what it draws."""

    def __init__(self) -> None:
        self._nodes = 0

    def team(self, member: Any, pattern: str = "") -> Iterator[str]:
        node = self._node()
        kind = pattern or _pattern(member)
        yield f"    {node}[{label(member.name, kind)}]"
        yield from self._inside(node, member, ())

    def _inside(self, node: str, team: Any, above: tuple[Any, ...]) -> Iterator[str]:
        """Those who work for the team that is drawn as `node`."""
        if len(above) >= MOST_LEVELS or any(team is one for one in above):
            return
        above, inner, parts = (*above, team), _unruled(team), _parts(team)
        if isinstance(inner, Graph):
            yield from self._graph(node, inner, above)
        elif isinstance(inner, Pipeline) and _named_once(inner):
            yield from self._pipeline(node, inner, above)
        else:
            inner = None
        drawn_already = {id(part.member) for part in _parts(inner)}
        for part in parts:
            if id(part.member) not in drawn_already:
                yield from self._part(node, part, above)

    def _part(self, node: str, part: Part, above: tuple[Any, ...]) -> Iterator[str]:
        """The team's arrow to somebody, with what they are there for."""
        role = "" if part.role == "member" else part.role
        times = f"up to {part.times} times" if part.times > 1 else ""
        said = ", ".join(filter(None, [role, times]))
        yield from self._worker(above, part.member, f"{node} -->|{label(said)}|" if said else f"{node} -->")

    def _worker(self, above: tuple[Any, ...], member: Any, arrow: str) -> Iterator[str]:
        """Somebody at the end of an arrow, and those who work for them."""
        node = self._node()
        yield f"    {arrow} {node}{_shape(member, member.name, _pattern(member))}"
        yield from self._inside(node, member, above)

    def _pipeline(self, node: str, team: Pipeline, above: tuple[Any, ...]) -> Iterator[str]:
        """Each stage behind those whose answers it is shown; all that come before it, where none is named."""
        stages = {member.name: self._node() for member in team.members}
        for number, member in enumerate(team.members):
            earlier = list(stages)[:number]
            seen = team.sees.get(member.name, earlier[-1:])
            before = [stages[name] for name in seen] or [node]
            here = stages[member.name] + _shape(member, member.name, _pattern(member))
            yield f"    {' & '.join(before)} --> {here}"
            yield from self._inside(stages[member.name], member, above)
        for stage, check in team.checks.items():
            for part in getattr(check, "parts", ()):
                arrow = f"{stages[stage]} -.->|{label('checked by')}|"
                yield from self._worker(above, part.member, arrow)

    def _graph(self, node: str, team: Graph, above: tuple[Any, ...]) -> Iterator[str]:
        """The steps behind those that they need, and dotted the ways back."""
        steps = {step.id: self._node() for step in team.steps}
        for step in team.steps:
            before = " & ".join(steps[need] for need in step.needs) or node
            yield f"    {before} --> {steps[step.id]}{_step(step)}"
        for step in team.steps:
            if back := step.repeat:
                said = label(f"again while {back.when}", f"at most {back.most} times")
                yield f"    {steps[step.id]} -.->|{said}| {steps[back.to]}"
        if team.synthesizer is not None:
            last = " & ".join(steps[id_] for id_ in team.last)
            yield from self._worker(above, team.synthesizer, f"{last} -->|{label('synthesizer')}|")
        for member in team.members:
            if parts_of(member):
                places = " & ".join(steps[step.id] for step in team.steps if step.member == member.name)
                yield from self._worker(above, member, f"{places or node} -.-")

    def _node(self) -> str:
        self._nodes += 1
        return f"n{self._nodes}"


def _step(step: Step) -> str:
    """A step as a node; one that can be left out is drawn as a question."""
    gives = f"one of {', '.join(step.choices)}" if step.choices else step.output and step.output.__name__
    lines = label(
        step.id, step.member, f"gives {gives}" if gives else "", f"if {step.when}" if step.when else ""
    )
    return f"{{{{{lines}}}}}" if step.when else f"[{lines}]"


def _shape(member: Any, *lines: str) -> str:
    """A team in corners, anybody else round."""
    return f"[{label(*lines)}]" if parts_of(member) else f"({label(*lines)})"


def _pattern(member: Any) -> str:
    """What kind of team it is: `first valid`; nothing for who is none."""
    if not parts_of(member):
        return ""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(_unruled(member)).__name__).lower()


def _unruled(member: Any) -> Any:
    """The team itself, without what looks after it."""
    while isinstance(member, Ruled):
        member = member.team
    return member


def _parts(team: Any) -> Sequence[Part]:
    """The parts of the team, also of a pattern of somebody's own, which names no roles."""
    own = getattr(team, "parts", None)
    return own if own is not None else [Part(member, times=times) for member, times in parts_of(team)]


def _named_once(team: Pipeline) -> bool:
    names = [member.name for member in team.members]
    return len(set(names)) == len(names)


def _escaped(text: str) -> str:
    """The text on one line, in which all but plain letters, digits and spaces is written as its number."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    line = line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
    return "".join(char if _PLAIN.match(line, at) else f"#{ord(char)};" for at, char in enumerate(line))
