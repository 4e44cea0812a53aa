"""What every command shares: how errors end, how JSON comes out, how a Hall is opened.

Exit codes: 0 done, 1 the run or the machine failed, 2 what was given cannot be used, 130 after Ctrl-C.
Only click is imported here; whatever is heavy waits until a command needs it.
"""

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import click

from guildhall.errors import GuildhallError, UserError, describe

if TYPE_CHECKING:
    from guildhall.agents.hall import Hall

_JSON = "guildhall.json"
T = TypeVar("T")


class Ended(click.ClickException):
    """A command that ends with a sentence on stderr; with --json, with an object on stdout as well."""

    exit_code = 1

    def __init__(self, text: str, *, code: str) -> None:
        super().__init__(text)
        self.code, self.as_json = code, wants_json()

    def show(self, file: Any = None) -> None:
        from guildhall.view.clean import clean

        if self.as_json:
            emit({"error": {"code": self.code, "message": self.message}})
        click.echo(f"guildhall: {clean(self.message)}", file=file or sys.stderr)


class BadInput(Ended):
    exit_code = 2

    def __init__(self, text: str, *, code: str = "invalid_input") -> None:
        super().__init__(text, code=code)


class Interrupted(Ended):
    exit_code = 130

    def __init__(self, text: str = "interrupted") -> None:
        super().__init__(text, code="interrupted")


class Commands(click.Group):
    """The commands, whose errors a user sees as one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except (KeyboardInterrupt, asyncio.CancelledError, click.Abort):
            raise Interrupted from None
        except UserError as error:
            raise BadInput(str(error), code=error.code) from None
        except GuildhallError as error:
            raise Ended(describe(error), code=error.code) from None
        except Exception as error:  # noqa: BLE001  the last place where a traceback can be kept from users
            if os.environ.get("GUILDHALL_DEBUG"):
                traceback.print_exc()
            text = f"internal error: {describe(error)} (run with GUILDHALL_DEBUG=1 for the traceback)"
            raise Ended(text, code="internal") from None


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
    """Print the data as JSON, in ASCII, so that no terminal and no encoding can be hurt by it."""
    click.echo(json.dumps(data, indent=2))


def in_hall(work: "Callable[[Hall], Coroutine[Any, Any, T]]") -> T:
    """What `work` comes to in a Hall of the project around the working folder."""

    async def within() -> T:
        from guildhall.agents.hall import Hall

        with suppress(NotImplementedError):  # Windows
            me = asyncio.current_task()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)  # type: ignore[union-attr]  # a task runs this
        async with Hall.open(host="shell") as hall:
            return await work(hall)

    return asyncio.run(within())
