"""`guildhall doctor`: what is here, what would be used and why, and what is missing."""

import importlib.metadata
import platform
from typing import TYPE_CHECKING, Any

import click

from guildhall import __version__
from guildhall.errors import GuildhallError, describe

from .frame import emit, in_hall, json_option, wants_json

if TYPE_CHECKING:
    from collections.abc import Iterator

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
ALL_REMOTE = {
    "problem": "GUILDHALL_LOCAL_ONLY leaves no provider, so the built-in extractive model is used, "
    "which is no LLM",
    "fix": "set GUILDHALL_BASE_URL to a server on this machine, or unset GUILDHALL_LOCAL_ONLY",
}
_UNITS = {"requests": "requests a minute", "tokens": "tokens a minute", "in_flight": "calls in flight"}
_CACHE = {
    "use": "use (what was answered before is answered from it)",
    "refresh": "refresh (all is asked anew, and kept)",
    "off": "off",
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
    from guildhall.agents.choosing import is_private

    choices = await hall.choices()
    library = hall.library.steady()
    files = [(found.path, found.error) for found in library.teams()]
    files += [(found.path, found.error) for found in library.specialists()]
    catalog, table = hall.catalog, hall.catalog.table
    limits = {name: dict(catalog.limit(name).given()) for name in table.rows}
    no_llm = [ALL_REMOTE if catalog.left_out else NO_PROVIDER] if catalog.extractive_only else []
    return {
        "models": [
            {
                "tier": c.tier,
                "model": c.model,
                "reason": c.reason,
                "private": is_private(catalog.model(c.model)),
            }
            for c in choices
            if c.model
        ],
        "private": sorted(name for name, row in table.rows.items() if row.private),
        "limits": {name: given for name, given in limits.items() if given},
        "unlisted": [
            {"model": name, "nearest": near or None} for name, near in sorted(catalog.unlisted().items())
        ],
        "local_only": catalog.local_only,
        "left_out": [{"provider": p.name, "reason": p.reason} for p in catalog.left_out],
        "defaults": _defaults(hall),
        "embedder": _embedder(hall),
        "index": await hall.memory.served(),
        "found": [
            *no_llm,
            *({"problem": f"no model for {c.tier}", "fix": c.reason} for c in choices if not c.model),
            *({"problem": str(error), "fix": f"edit {path}"} for path, error in files if error),
        ],
    }


def _embedder(hall: "Hall") -> Report:
    """What finds memories by their meaning; asking loads nothing."""
    from guildhall.agents.config import read_config
    from guildhall.agents.models.embedding_api import embedder_of

    choice = embedder_of(read_config(hall.home), hall.catalog)
    return {"name": choice.name, "reason": choice.why}


def _defaults(hall: "Hall") -> Report:
    """What holds for runs that do not say it."""
    from guildhall.agents.config import read_config

    config = read_config(hall.home)
    return {
        "budget_usd": config.budget.usd or None,
        "cache": config.cache.mode,
        "preference": config.router.preference,
    }


def _print(report: Report) -> None:
    from guildhall.redact import redact
    from guildhall.view.clean import clean

    from .show import heading

    rows = {
        "Versions": [f"{name} {version or 'not installed'}" for name, version in report["versions"].items()],
        "Models": list(_about_models(report)),
        "Runs": list(_about_runs(report)),
        "Memory": list(_about_memory(report)),
        "Files": [f"{name}: {place}" for name, place in report["files"].items()],
        "To do": [f"{row['problem']}\n    {row['fix']}" for row in report["problems"]],
    }
    for title, lines in rows.items():
        click.echo(heading(title))
        click.echo("".join(f"  {redact(clean(line))}\n" for line in lines or ["nothing"]))


def _about_models(report: Report) -> "Iterator[str]":
    for row in report["models"]:
        private = ", may see private data" if row["private"] else ""
        yield f"{row['tier']}: {row['model']} ({row['reason']}){private}"
    used = {row["model"] for row in report["models"]}
    if others := [name for name in report.get("private", ()) if name not in used]:
        yield f"may see private data, too: {', '.join(others)}"
    for name, limits in report.get("limits", {}).items():
        yield f"limits of {name}: {', '.join(f'{most:,g} {_UNITS[what]}' for what, most in limits.items())}"
    for row in report.get("unlisted", ()):
        near = f", where the nearest is {row['nearest']}" if row["nearest"] else ""
        yield f"{row['model']} (in config.toml) is not in the table of models{near}; a new model need not be"
    if report.get("local_only"):
        out = ", ".join(f"{row['provider']} ({row['reason']})" for row in report["left_out"]) or "nothing"
        yield f"GUILDHALL_LOCAL_ONLY is set, so only models on this machine are asked; that leaves out: {out}"


def _about_runs(report: Report) -> "Iterator[str]":
    if defaults := report.get("defaults"):
        usd = defaults["budget_usd"]
        yield f"budget of a run that names none: {'no limit' if usd is None else f'${usd:.2f}'}"
        yield f"cache: {_CACHE[defaults['cache']]}"
        yield f"preference: {defaults['preference'] or 'none'}"


def _about_memory(report: Report) -> "Iterator[str]":
    if embedder := report.get("embedder"):
        yield f"embedder: {embedder['name']} ({embedder['reason']})"
    yield from report.get("index", ())
