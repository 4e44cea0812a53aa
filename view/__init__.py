"""What a run looks like, reduced from its events once for every face."""

from .clean import clean, from_cache, money, one_line, tame
from .items import Item, Patch, Snapshot
from .reduce import View

__all__ = ["Item", "Patch", "Snapshot", "View", "clean", "from_cache", "money", "one_line", "tame"]
