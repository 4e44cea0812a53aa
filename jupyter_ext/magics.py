"""The magics: they read what the user wrote, hand the work to the engine, and show what comes of it."""

import sys
from argparse import Namespace
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from IPython import display as ipython_display
from IPython.core.magic import Magics, cell_magic, line_cell_magic, line_magic, magics_class, no_var_expand

from guildhall.names import KINDS, PATTERNS

from . import show
from .arguments import (
    argument,
    arguments,
    count,
    dollars,
    fraction,
    needed,
    options_and_text,
    parsed,
    unquoted,
    variable,
)
from .cell import Engine
from .errors import Interrupted, RunFailed, in_one_line
from .live import Block, CellBlock, Live, TerminalLine

if TYPE_CHECKING:
    from guildhall.agents.commission import RunOptions
    from guildhall.agents.hall import Hall
    from guildhall.agents.result import Result

T = TypeVar("T")
PREFERENCES = ("cost_sensitive", "speed_priority", "quality_priority")
OUT = argument("-o", "--out", type=variable, metavar="NAME", help="keep the result in this variable")
OF_A_RUN = (
    OUT,
    argument("-m", "--model", type=unquoted, help="for all: fast, balanced, strong, or provider:name"),
    argument("-f", "--file", type=unquoted, action="append", default=[], help="a file to read; repeatable"),
    argument("--budget-usd", type=dollars, metavar="X", help="the most that the run may cost"),
    argument("--max-calls", type=count, metavar="N", help="the most model calls that the run may make"),
    argument("--preference", choices=PREFERENCES, help="what counts most where models are chosen"),
    argument("--private", action="store_true", help="only models marked private may see any of it"),
    argument("--cache", choices=("use", "refresh", "off"), help="whether earlier replies are used again"),
    argument("--priority", type=int, default=0, metavar="N", help="of calls that wait: -1000 to 1000"),
    argument(
        "--continue",
        dest="continue_from",
        type=unquoted,
        metavar="RUN",
        help='a run to go on from; "" is the newest',
    ),
    argument("--dry-run", action="store_true", help="show what it would do and takes; call no model"),
)
_display: Callable[..., Any] = ipython_display.display


@magics_class
class TeamMagics(Magics):
    """`%%team`, `%%ask`, `%recall` and `%remember`."""

    def __init__(self, shell: Any, *, engine: Engine | None = None) -> None:
        super().__init__(shell)
        self._shell = shell
        self._engine = engine or Engine()
        self._shadowed: dict[tuple[str, str], Any] = {}

    def register(self) -> None:
        """Add the magics to the shell, in place of those that have their names."""
        manager = self._shell.magics_manager
        for kind, names in self.magics.items():
            self._shadowed.update({(kind, name): manager.magics[kind].get(name) for name in names})
        self._shell.register_magics(self)

    def unregister(self) -> None:
        """Take the magics away, give the names back, and end what is at work."""
        manager = self._shell.magics_manager
        manager.registry.pop(type(self).__name__, None)
        for (kind, name), before in self._shadowed.items():
            manager.magics[kind].pop(name, None)
            if before is not None:
                manager.magics[kind][name] = before
        self._engine.close()

    @no_var_expand
    @cell_magic
    @arguments(
        argument("team", nargs="?", default="research", help="the name of the team (default: research)"),
        *OF_A_RUN,
        argument("-p", "--pattern", choices=PATTERNS, help="how they work together, if not as usual"),
    )
    @in_one_line()
    def team(self, line: str, cell: str) -> None:
        """Have a team of specialists work on the text of the cell.

        What they say is shown while they say it, then their answer. Where there is none, the cell fails.
        """
        given = parsed(TeamMagics.team, line)
        task = needed(cell, "%%team", "a task in the cell")
        self._work(given, "team", given.team, task)

    @no_var_expand
    @cell_magic
    @arguments(argument("specialist", nargs="+", help="a name, or a role in words"), *OF_A_RUN)
    @in_one_line()
    def ask(self, line: str, cell: str) -> None:
        """Ask one specialist the text of the cell."""
        given = parsed(TeamMagics.ask, line)
        who = " ".join(unquoted(word) for word in given.specialist)
        task = needed(cell, "%%ask", "a question in the cell")
        self._work(given, "ask", who, task)

    @no_var_expand
    @line_magic
    @arguments(
        OUT,
        argument("-n", "--limit", type=count, default=10, help="the most memories to show (default: 10)"),
        argument("-k", "--kind", choices=KINDS, action="append", help="only this kind; repeatable"),
        argument("--agent", type=unquoted, help="only what this one said"),
        argument("--since", type=unquoted, metavar="DATE", help="only what was recorded from then on"),
        argument("--until", type=unquoted, metavar="DATE", help="only until then, that day included"),
        argument("--as-of", type=unquoted, metavar="DATE", help="what held at the end of that day"),
        argument("--recent", action="store_true", help="the newest first; without words, the newest"),
        argument("--explain", action="store_true", help="how it was found, and what scores are made of"),
        argument("words", nargs="*", help="what to look for"),
    )
    @in_one_line()
    def recall(self, line: str) -> None:
        """Show what is remembered in this project about some words."""
        from guildhall.memory.asked import asked

        options, words = options_and_text(line, "--recent", "--explain")
        given = parsed(TeamMagics.recall, options)
        query = words.strip() if given.recent else needed(words, "%recall", "words to look for")
        narrowed = asked(
            {name: getattr(given, name) for name in ("limit", "agent", "since", "until", "as_of")}
        )
        narrowed |= {"kinds": given.kind or (), "sort": "recent" if given.recent else "best"}
        found = self._engine.run(lambda hall: hall.search(query, **narrowed))
        self._keep(given, list(found.hits))
        _display(show.memories(found, explain=given.explain), raw=True)

    @no_var_expand
    @line_cell_magic
    @arguments(
        OUT,
        argument("-k", "--kind", choices=KINDS[:-1], default="fact", help="what sort of thing it is"),
        argument("-s", "--subject", type=unquoted, help="what it is about: replaces what was said of that"),
        argument("-t", "--tag", type=unquoted, action="append", default=[], help="to find it by; repeatable"),
        argument("--importance", type=fraction, metavar="X", help="above .8 it is never left out or pruned"),
        argument("--private", action="store_true", help="only models marked private may be shown it"),
        argument("text", nargs="*", help="what to remember"),
    )
    @in_one_line()
    def remember(self, line: str, cell: str = "") -> None:
        """Remember a text for every later run in this project."""
        from guildhall.memory.records import Author

        options, text = options_and_text(line, "--private")
        given = parsed(TeamMagics.remember, options)
        text = needed(f"{text}\n{cell}", "%remember", "a text to remember")
        about = {"kind": given.kind, "subject": given.subject, "author": Author(host="jupyter")}
        about |= {"tags": given.tag, "importance": given.importance, "private": given.private}
        kept = self._engine.run(lambda hall: hall.remember(text, **about))
        self._keep(given, kept)
        _display(show.kept(kept), raw=True)

    def _work(self, given: Namespace, kind: 'Literal["team", "ask"]', who: str, task: str) -> None:
        """Show a run while it works, and then its answer. The result is kept whatever it is."""
        from guildhall.view import View

        options = _options(given)
        if given.dry_run:
            estimate = self._engine.run(lambda hall: hall.estimate(who, task, kind=kind, **options))
            self._keep(given, estimate)
            _display(show.estimate(estimate), raw=True)
            return
        view = View()
        live = Live(view, self._block())
        options |= {"sinks": [view], "on_text": view.text}

        def start(hall: "Hall") -> "Coroutine[Any, Any, Result]":
            return (hall.run_team if kind == "team" else hall.ask)(who, task, **options)

        try:
            result = self._engine.run(start, each_tick=live)
        except Interrupted:
            if not view.run_id:
                raise
            again = f"`guildhall resume {view.run_id[:12]}` goes on from what is paid for"
            raise Interrupted(f"the run was stopped; {again}") from None
        finally:
            live.finish()
        self._keep(given, result)
        if result.status != "done":
            raise RunFailed(result)
        _display(show.answer(result), raw=True)

    def _block(self) -> Block | None:
        """Where text is shown while it is written; nowhere, if this is neither a notebook nor a terminal."""
        if getattr(self._shell, "kernel", None) is not None:
            return CellBlock(_display)
        return TerminalLine() if sys.stdout.isatty() else None

    def _keep(self, given: Namespace, value: object) -> None:
        if given.out is not None:
            self._shell.user_ns[given.out] = value


def _options(given: Namespace) -> "RunOptions":
    """What the run is told beside its task."""
    from guildhall.agents.budget import Budget

    options: RunOptions = {
        "files": given.file,
        "model": given.model,
        "budget": Budget(usd=given.budget_usd, calls=given.max_calls),
        "preference": given.preference,
        "private": given.private,
        "cache": given.cache,
        "priority": given.priority,
        "continue_from": given.continue_from,
    }
    return options | {"pattern": given.pattern} if "pattern" in given else options
