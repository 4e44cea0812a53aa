"""Where spans are: `team/ann/ask.2` is the second `ask` of ann, who works for the team."""

from collections.abc import Iterator


def is_below(path: str, above: str) -> bool:
    """Whether the span is that one or within it; all are within the run, whose path is empty."""
    return not above or path == above or path.startswith(f"{above}/")


def down_to(path: str) -> Iterator[str]:
    """The run, whose path is empty, and each span within another down to this one."""
    yield ""
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)
    if path:
        yield path
