"""Why a file is not taken."""

LARGEST = 50_000_000
"""Bytes of any file."""
NEEDS_EXTRA = "spreadsheets need one more package: pip install 'guildhall[documents]'"


class UnreadableError(Exception):
    """A file that cannot be read; the message says why, and what can be done, without its name."""


class PartlyError(UnreadableError):
    """What could be read of it is kept."""
