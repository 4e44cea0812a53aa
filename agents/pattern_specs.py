"""All patterns that a team's file can name."""

from .patterns.graph_spec import GraphSpec
from .patterns.parallel import ParallelSpec
from .patterns.pipeline import PipelineSpec
from .spec_types import TeamSpec

PATTERNS: dict[str, type[TeamSpec]] = {
    "graph": GraphSpec,
    "parallel": ParallelSpec,
    "pipeline": PipelineSpec,
}
"""The spec of each pattern; a new pattern is a subclass with its keys, and a line here."""
