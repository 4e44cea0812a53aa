"""What every command shares: how errors end, how JSON comes out, how a Hall is opened.

Exit codes: 0 done, 1 the run or the machine failed, 2 what was given cannot be used, 130 after Ctrl-C.
Only click is imported here; whatever is heavy waits until a command needs it.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from guildhall.errors import GuildhallError, UserError, describe

if TYPE_CHECKING:
    from guildhall.agents.hall import Hall

_JSON = "guildhall.json"
PATIENCE = 2.0
"""Seconds that a run has to end after Ctrl-C, during which another one changes nothing."""
T = TypeVar("T")


class Ended(click.ClickException):
    """A command that ends with a sentence on stderr; with --json, with an object on stdout as well."""

    exit_code = 1

    def __init__(self, text: str, *, code: str) -> None:
        super().__init__(text)
        self.code, self.as_json = code, wants_json()

    def show(self, file: Any = None) -> None:
        from guildhall.redact import redact

        if self.as_json:
            emit({"error": {"code": self.code, "message": redact(self.message)}})
        say(f"guildhall: {self.message}", file=file)


class BadInput(Ended):
    exit_code = 2

    def __init__(self, text: str, *, code: str = "invalid_input") -> None:
        super().__init__(text, code=code)


class Interrupted(Ended):
    exit_code = 130

    def __init__(self, text: str = "interrupted", *, printed: bool = False) -> None:
        """`printed` where stdout has the result already."""
        super().__init__(text, code="interrupted")
        self.as_json &= not printed


class Commands(click.Group):
    """The commands, whose errors a user sees as one line."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run as the command of this process, which ends with it."""
        try:
            return super().__call__(*args, **kwargs)
        finally:
            ending()

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.ClickException as error:
            _redact(error)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (Ended, click.exceptions.Exit, BrokenPipeError):
            raise
        except click.ClickException as error:
            _redact(error)
            raise
        except (KeyboardInterrupt, asyncio.CancelledError, click.Abort):
            ending()
            raise Interrupted from None
        except UserError as error:
            raise BadInput(str(error), code=error.code) from None
        except GuildhallError as error:
            raise Ended(describe(error), code=error.code) from None
        except Exception as error:  # noqa: BLE001  the last place where a traceback can be kept from users
            if os.environ.get("GUILDHALL_DEBUG"):
                say(traceback.format_exc().rstrip())
            text = f"internal error: {describe(error)} (run with GUILDHALL_DEBUG=1 for the traceback)"
            raise Ended(text, code="internal") from None


def _redact(error: click.ClickException) -> None:
    """Take what was given out of the message, if it looks like a secret."""
    from guildhall.redact import redact

    error.message = redact(error.message)  # type: ignore[misc]  # click does not say that it may change


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option --json, which `wants_json` tells of."""

    def note(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.meta[_JSON] = True

    return click.option(
        "--json", is_flag=True, expose_value=False, callback=note, is_eager=True,
        help="Print one JSON document on stdout and nothing else there.",
    )(command)  # fmt: skip


def wants_json() -> bool:
    ctx = click.get_current_context(silent=True)
    return bool(ctx and ctx.meta.get(_JSON))


def emit(data: Any) -> None:
    """Print the data as JSON without secrets, in ASCII, which hurts no terminal and no encoding."""
    from guildhall.redact import redact_json

    click.echo(redact_json(json.dumps(data, indent=2)))


def say(text: str, *, file: Any = None) -> None:
    """Print the text on stderr, without secrets and without what drives a terminal."""
    from guildhall.redact import redact
    from guildhall.view.clean import clean

    click.echo(redact(clean(text)), file=file or sys.stderr)


def ending() -> None:
    """From now on the command only says how it ended, and Ctrl-C changes nothing of that."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        exec("")  # noqa: S102  Python ends with an interrupt that came inside of an exec, unless another follows


def in_hall(work: "Callable[[Hall], Coroutine[Any, Any, T]]") -> T:
    """What `work` comes to in a Hall of the project around the working folder.

    Raises KeyboardInterrupt where it was cancelled by Ctrl-C or SIGTERM, once all of it has ended.
    """
    stop = _Stop()

    async def within() -> T:
        from guildhall.agents.hall import Hall

        stop.begin()
        async with Hall.open(host="shell") as hall:
            return await work(hall)

    with _on_ctrl_c(stop):
        try:
            return asyncio.run(within())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


class _Stop:
    """What Ctrl-C does: cancel the task. Another soon after is the same wish, a later one breaks off."""

    def __init__(self) -> None:
        self.wished = 0.0
        self._cancel: Callable[[], Any] | None = None

    def begin(self) -> None:
        """The current task is the one to cancel, by SIGTERM as well."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._cancel = partial(loop.call_soon_threadsafe, task.cancel)
        if self.wished:
            task.cancel()
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(signal.SIGTERM, task.cancel)

    def __call__(self, *_: Any) -> None:
        if self.wished and time.monotonic() - self.wished > PATIENCE:
            raise KeyboardInterrupt
        if not self.wished:
            self.wished = time.monotonic()
            try:
                if self._cancel is not None:
                    self._cancel()
            except RuntimeError:  # the loop is closed: nothing is left to cancel
                raise KeyboardInterrupt from None


@contextmanager
def _on_ctrl_c(stop: _Stop) -> Iterator[None]:
    """Have Ctrl-C call `stop`; if it did, that stays so until the command says how it ended."""
    ours = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not ours or before in (signal.SIG_IGN, None):
        yield
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        if not stop.wished:
            signal.signal(signal.SIGINT, before)
