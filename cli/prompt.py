"""Questions of a run, put to the person at the terminal. Only what is typed after one is shown answers it."""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import click

from guildhall.errors import UserError

from .frame import say, wants_json

if TYPE_CHECKING:
    from guildhall.memory.store.questions import Question

_LINE = 65_536
_PASTED = 0.05
"""Seconds within which the lines of a text that is pasted follow each other."""
_HOW = "Answer in a line; for several, end the line with \\."


class Prompt:
    """Asks one question after the other; Ctrl-D leaves this and all others of the sitting for later."""

    def __init__(self) -> None:
        self.aside: Callable[[], AbstractContextManager[object]] = nullcontext
        """Has the picture of the run step aside."""
        self._turn = asyncio.Lock()
        self._left = False

    @classmethod
    def at_terminal(cls) -> "Prompt | None":
        """A prompt, if somebody is there to see and to answer it."""
        if wants_json() or not (sys.stdin.isatty() and sys.stderr.isatty()) or _in_background():
            return None
        return cls()

    async def __call__(self, question: "Question") -> str | None:
        """The answer; None after Ctrl-D."""
        async with self._turn:
            if self._left:
                return None
            with self.aside():
                return await self._answer(question)

    async def _answer(self, question: "Question") -> str | None:
        _show(question)
        _forget_what_was_typed()
        try:
            while True:
                click.echo("> ", nl=False, file=sys.stderr)
                try:
                    return _meant(question, await _all_typed(sys.stdin.fileno()))
                except UserError as error:
                    say(str(error))
        except EOFError:
            self._left = True
            say(f"\nleft open; `guildhall answer {question.run[:12]} {question.id} TEXT` answers it later")
            return None
        except asyncio.CancelledError:
            say("\nno longer asked")
            raise
        finally:
            _forget_what_was_typed()  # else the shell has it for a command


def _in_background() -> bool:
    """Whether the shell runs the command beside other things: to read would stop it."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp()
    except (OSError, AttributeError):  # no terminal with jobs
        return False


def _show(question: "Question") -> None:
    """Who asks what, its lines set off so that nothing in it looks like the prompt."""
    from guildhall.view.clean import one_line

    from .show import lines_of, moment

    by = f", until {moment(question.deadline)}" if question.deadline is not None else ""
    click.echo(click.style(f"{one_line(question.who, 60)} asks you{by}:", bold=True), file=sys.stderr)
    for line in lines_of(question):
        say(line)
    say("Choose one, by its number or name." if question.options else _HOW)


def _meant(question: "Question", typed: str) -> str:
    """The answer that was typed, an option by its number too. Raises UserError."""
    number = typed.strip().removesuffix(".")
    if number.isdecimal() and number not in question.options and question.options:
        if not 1 <= int(number) <= len(question.options):
            raise UserError(f"there is no {number}; the answers are 1 to {len(question.options)}")
        return question.options[int(number) - 1]
    return question.fitting(typed)


def _forget_what_was_typed() -> None:
    """Drop what was typed before the question was there, or after its answer: it cannot have meant it."""
    with contextlib.suppress(ImportError, OSError):
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


async def _all_typed(fd: int) -> str:
    """The line that is typed; of a text of several lines, all up to an empty one. Raises EOFError."""
    lines = [await _typed(fd)]
    several = False
    while await _has_more(fd) or _goes_on(lines, several=several):
        if not several:
            say("An empty line ends the answer.")
        several = True
        try:
            lines.append(await _typed(fd))
        except EOFError:  # Ctrl-D ends the text, too
            break
    return "".join(lines)


def _goes_on(lines: list[str], *, several: bool) -> bool:
    """Whether the answer is to have another line."""
    if lines[-1].rstrip().endswith("\\"):
        lines[-1] = lines[-1].rstrip().removesuffix("\\") + "\n"
        return True
    return several and bool(lines[-1].strip())


async def _has_more(fd: int) -> bool:
    """Whether another line follows at once, as where a text is pasted."""
    import select

    await asyncio.sleep(_PASTED)
    try:
        return bool(select.select([fd], [], [], 0)[0])
    except (OSError, ValueError):  # Windows: of sockets alone
        return False


async def _typed(fd: int) -> str:
    """The next line; nothing is left behind that reads, where that can be. Raises EOFError at Ctrl-D."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[bytes] = loop.create_future()

    def take(given: bytes) -> None:
        if not line.done():
            line.set_result(given)

    def read() -> None:
        try:
            take(os.read(fd, _LINE))
        except OSError:  # the terminal is gone
            take(b"")

    try:
        loop.add_reader(fd, read)
    except NotImplementedError:  # Windows: the thread ends with the process

        def wait() -> None:
            given = sys.stdin.readline().encode()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(take, given)

        threading.Thread(target=wait, daemon=True).start()
        given = await line
    else:
        try:
            given = await line
        finally:
            loop.remove_reader(fd)
    if not given:
        raise EOFError
    return given.decode(errors="replace")
