"""What a cell raises: it fails, so that Run All stops there, and says why in one line."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guildhall.agents.result import Result


class _OneLine(BaseException):
    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class Refused(_OneLine, Exception):
    """What was given cannot be used, or what is needed cannot be opened."""


class RunFailed(_OneLine, Exception):
    """The run ended without an answer; `result` holds what there is."""

    def __init__(self, result: "Result") -> None:
        why = result.error or "it gave no answer"
        super().__init__(f"{result.team} {result.status}: {why} (run {result.run_id})")
        self.result = result


class Interrupted(_OneLine, KeyboardInterrupt):
    """The user stopped the run."""
