"""What a cell raises: it fails, so that Run All stops there, and says why in one line."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from guildhall.errors import GuildhallError, describe
from guildhall.redact import logger, redact

if TYPE_CHECKING:
    from guildhall.agents.result import Result


log = logger(__name__)


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
        if result.questions:
            asked = " ".join(question.told(result.run_id) for question in result.questions)
            why = f"it waits for you, in a terminal. {asked}"
        super().__init__(f"{result.team} {result.status}: {why} (run {result.run_id})")
        self.result = result


class InternalError(_OneLine, Exception):
    """Something went wrong that should not: nothing that was given explains it."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Interrupted(_OneLine, KeyboardInterrupt):
    """The user stopped the run."""


@contextmanager
def in_one_line() -> Iterator[None]:
    """Have every error of a magic end its cell in one line without secrets; decorates the magic.

    The traceback of what nobody expected is logged: at DEBUG, or with GUILDHALL_DEBUG set where it is seen.
    """
    try:
        yield
    except (Refused, RunFailed):
        raise
    except UsageError as error:  # it repeats what was given
        raise UsageError(redact(str(error))) from None
    except GuildhallError as error:
        raise Refused(describe(error)) from None
    except Exception as error:
        level = logging.ERROR if os.environ.get("GUILDHALL_DEBUG") else logging.DEBUG
        log.log(level, "a magic failed", exc_info=True)
        hint = "after `%env GUILDHALL_DEBUG=1` the traceback is shown"
        raise InternalError(f"internal error: {describe(error)} ({hint})") from None
