"""What a cell raises: it fails, so that Run All stops there, and says why in one line."""

from typing import TYPE_CHECKING

from guildhall.redact import redact

if TYPE_CHECKING:
    from guildhall.agents.result import Result


class _OneLine(BaseException):
    def __init__(self, text: str) -> None:
        from guildhall.view.clean import one_line

        super().__init__(one_line(redact(text), 2_000))

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
