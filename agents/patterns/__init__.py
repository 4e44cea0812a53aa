"""Ways for members to work together. Each is itself a member, so they nest."""

from .graph import Graph, Repeat, Step
from .parallel import Parallel
from .pipeline import Pipeline

__all__ = ["Graph", "Parallel", "Pipeline", "Repeat", "Step"]
