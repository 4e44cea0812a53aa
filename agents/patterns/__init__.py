"""Ways for members to work together. Each is itself a member, so they nest."""

from .parallel import Parallel
from .pipeline import Pipeline

__all__ = ["Parallel", "Pipeline"]
