"""What tests of the choice of models share: environments, tasks of each complexity, catalogs."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from guildhall.agents.config import Config, Tier, read_config
from guildhall.agents.models.base import Model
from guildhall.agents.models.catalog import Catalog
from guildhall.agents.models.table import Table

ANTHROPIC = {"ANTHROPIC_API_KEY": "k"}
BOTH = {**ANTHROPIC, "OPENAI_API_KEY": "k"}
HERE = {"GUILDHALL_BASE_URL": "http://127.0.0.1:9/v1"}
SIMPLE = "What is the capital of Mongolia?"
MEDIUM = "Compare three tariffs for a family and suggest one."
COMPLEX = "Design a fault-tolerant payment service, derive its failure modes and justify the trade-offs."
EACH = (SIMPLE, MEDIUM, COMPLEX)


def catalog(environ: Mapping[str, str], toml: str = "", home: Path | None = None) -> Catalog:
    """The catalog under that configuration."""
    if home is None:
        return Catalog(environ, Config())
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(toml, "utf-8")
    return Catalog(environ, read_config(home))


def tier_of(name: str) -> Tier | None:
    row = Table(Config()).row(name)
    return row.tier if row else None


def names(models: Iterable[Model]) -> list[str]:
    return [model.name for model in models]
