"""The tools that specialists can name."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from guildhall.home import is_too_wide

if TYPE_CHECKING:
    from ..tool import Tool


@lru_cache(maxsize=16)
def project_tools(project: Path) -> "Mapping[str, Tool]":
    """By name, for one project: made once, since their schemas take a millisecond."""
    from .files import file_tools
    from .memory import memory_tools
    from .notes import note_tools

    roots = {} if is_too_wide(project) else {"project": project}
    tools = [*file_tools(roots), *memory_tools(), *note_tools()]
    return MappingProxyType({tool.name: tool for tool in tools})
