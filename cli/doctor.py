"""`guildhall doctor`: what is here, what would be used and why, and what is missing."""

import importlib.metadata
import platform
from typing import TYPE_CHECKING, Any

import click

from guildhall import __version__
from guildhall.errors import GuildhallError, describe

from .frame import emit, in_hall, json_option, wants_json

if TYPE_CHECKING:
    from guildhall.agents.hall import Hall

PACKAGES = {
    "anthropic": "pip install --upgrade guildhall",
    "openai": "pip install --upgrade guildhall",
    "mcp": 'pip install "guildhall[mcp]"',
    "ipykernel": 'pip install "guildhall[jupyter]"',
}
"""What is looked for, and how it is installed."""
NEEDED_FOR = {"mcp": "`guildhall mcp`, for assistants", "ipykernel": "notebooks"}
NO_PROVIDER = {
    "problem": "no model provider is configured, so the built-in extractive model is used, which is no LLM",
    "fix": "set ANTHROPIC_API_KEY or OPENAI_API_KEY, or GUILDHALL_BASE_URL for a compatible server "
    "(Ollama: GUILDHALL_BASE_URL=http://localhost:11434/v1)",
}
Report = dict[str, Any]


@click.command()
@json_option
def doctor() -> None:
    """Say what is here and what is missing.

    It tells which models would be used and why, where files live, and how to mend what is wrong.

    \b
    guildhall doctor
    """
    report: Report = {"versions": _versions(), "files": _files(), "models": [], "problems": []}
    for name, fix in PACKAGES.items():
        if report["versions"][name] is None:
            text = f"{name} is not installed; it is needed for {NEEDED_FOR.get(name, 'its models')}"
            report["problems"].append({"problem": text, "fix": fix})
    broken = False
    try:
        report.update(in_hall(_models))
        report["problems"] += report.pop("found")
    except GuildhallError as error:
        broken = True
        report["problems"].append(
            {"problem": describe(error), "fix": "mend that, then `guildhall doctor` tells whether it helped"}
        )
    emit(report) if wants_json() else _print(report)
    if broken:
        raise click.exceptions.Exit(1)


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {"guildhall": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _files() -> dict[str, str]:
    from guildhall.home import data_folder, project_folder, scope_of

    home, project = data_folder(), project_folder()
    return {
        "data": str(home),
        "database": str(home / "guildhall.db"),
        "config": str(home / "config.toml"),
        "project": str(project),
        "scope": scope_of(project),
    }


async def _models(hall: "Hall") -> Report:
    choices = await hall.choices()
    files = [(found.path, found.error) for found in hall.library.teams()]
    files += [(found.path, found.error) for found in hall.library.specialists()]
    return {
        "models": [{"tier": c.tier, "model": c.model, "reason": c.reason} for c in choices if c.model],
        "found": [
            *([NO_PROVIDER] if hall.catalog.extractive_only else []),
            *({"problem": f"no model for {c.tier}", "fix": c.reason} for c in choices if not c.model),
            *({"problem": str(error), "fix": f"edit {path}"} for path, error in files if error),
        ],
    }


def _print(report: Report) -> None:
    from guildhall.view.clean import clean

    from .show import heading

    rows = {
        "Versions": [f"{name} {version or 'not installed'}" for name, version in report["versions"].items()],
        "Models": [f"{row['tier']}: {row['model']} ({row['reason']})" for row in report["models"]],
        "Files": [f"{name}: {place}" for name, place in report["files"].items()],
        "To do": [f"{row['problem']}\n    {row['fix']}" for row in report["problems"]],
    }
    for title, lines in rows.items():
        click.echo(heading(title))
        click.echo("".join(f"  {clean(line)}\n" for line in lines or ["nothing"]))
