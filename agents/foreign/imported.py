"""What a file of another assistant came to here: what was taken over, what was left out, and why."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from ..spec_types import SpecialistSpec, TeamSpec

Host = Literal["claude", "copilot", "codex", "crewai", "skill"]
HOSTS: dict[Host, str] = {
    "claude": "Claude Code", "copilot": "GitHub Copilot", "codex": "Codex", "crewai": "CrewAI",
    "skill": "a skill",
}  # fmt: skip
"""What each is called in a sentence."""
Whose = Literal["project", "user"]
_SHOWN = 80


class Fate(NamedTuple):
    """What became of one thing that a file says: what stands for it here, or why nothing does."""

    key: str
    given: str
    said: str


@dataclass(frozen=True)
class Imported:
    """`spec` is None where `problem` says why it cannot be used."""

    host: Host
    kind: Literal["specialist", "team"] = "specialist"
    name: str = ""
    """As it is known here, unlike all others that are imported from where it comes from."""
    spec: SpecialistSpec | TeamSpec | None = None
    mapped: tuple[Fate, ...] = ()
    dropped: tuple[Fate, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    path: Path = Path()
    whose: Whose = "project"
    group: str = ""
    """The folder of the crew that it is of."""


@dataclass
class Draft:
    """What becomes of one agent, while it is found out."""

    host: Host
    mapped: list[Fate] = field(default_factory=list)
    dropped: list[Fate] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def maps(self, key: str, given: Any, said: str) -> None:
        self.mapped.append(Fate(key, shown(given), said))

    def drops(self, key: str, given: Any, why: str) -> None:
        self.dropped.append(Fate(shown(key), shown(given), why))

    def made(self, kind: type[SpecialistSpec | TeamSpec], values: dict[str, Any]) -> Imported:
        """What is imported, if the values can be those of such a spec."""
        try:
            spec = kind.model_validate({key: value for key, value in values.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            return self.unusable(f"{where}: {first['msg'].removeprefix('Value error, ')}", kind=kind)
        return self._as(kind, name=spec.name, spec=spec)

    def unusable(self, problem: str, *, kind: type[SpecialistSpec | TeamSpec] = SpecialistSpec) -> Imported:
        return self._as(kind, problem=problem)

    def _as(self, kind: type[SpecialistSpec | TeamSpec], **more: Any) -> Imported:
        return Imported(
            host=self.host,
            kind="specialist" if kind is SpecialistSpec else "team",
            mapped=tuple(self.mapped),
            dropped=tuple(self.dropped),
            notes=tuple(dict.fromkeys(self.notes)),
            **more,
        )


def shown(value: Any) -> str:
    """The value on a short line; of one with parts, which can hold keys to accounts, only what it is."""
    if isinstance(value, dict):
        return f"{len(value)} keys" if len(value) != 1 else "1 key"
    if isinstance(value, list | tuple):
        whole = [str(one) for one in value if not isinstance(one, dict | list)]
        value = ", ".join(whole) or f"{len(value)} part{'s' * (len(value) > 1)}" * bool(value)
    line = " ".join(str("" if value is None else value)[: 4 * _SHOWN].split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
