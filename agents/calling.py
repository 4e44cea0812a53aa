"""How a tool is called: once, whatever happens in between, and what it shows is known."""

from typing import TYPE_CHECKING, NamedTuple

from guildhall.errors import Failure, NeedsInput, describe
from guildhall.redact import redact

from . import event as ev
from .message import ModelReply, Quote, ToolCall, plain
from .paths import is_below
from .tool import Tool, ToolContext

if TYPE_CHECKING:
    from .run import Run


class ToolResult(NamedTuple):
    """What a tool answered, and whether that shows private data."""

    text: str
    failed: bool
    private: bool = False


async def used(
    run: "Run", tool: Tool, call: ToolCall, reply: ModelReply, inputs: tuple[int, ...]
) -> ToolResult:
    """What the tool answers in the span `run`; from the journal if it was called before."""
    digest = run.digest(tool.name, repr(sorted(call.arguments.items())))
    if not tool.idempotent and _was_cut_short(run):
        raise Failure(
            f"{tool.name} was at work when the run stopped, and doing it twice may do harm: see "
            "whether it was done, then start a new run",
            kind="doubt",
        )
    known = run.recorded(digest)
    if known is not None and known["ended"]:
        run.state.hears(tool.name, tool.trusted)
        run.show([Quote.model_validate(quote) for quote in known["shown"]])
        return ToolResult(str(known["text"]), bool(known["error"]), bool(known["private"]))
    if not tool.idempotent:
        await run.record(digest, {"ended": False})
    called = run.emit(
        ev.Called, tool=tool.name, arguments=call.arguments, reply=reply.source, why=reply.text[:500],
        inputs=inputs,
    )  # fmt: skip
    text, failed = "the call was cut short", True
    try:
        text, failed = await tool.call(call.arguments, ToolContext(run, reply.model)), False
    except NeedsInput:  # the run pauses, and comes back here
        raise
    except Exception as error:  # noqa: BLE001  the model is told, and goes on from there
        text = redact(plain(describe(error)))
    finally:
        run.state.hears(tool.name, tool.trusted)
        run.emit(ev.Returned, called=called, text=text, failed=failed, trust=tool.trusted)
    shown = [quote.model_dump(exclude_defaults=True) for quote in run.shown]
    kept = {"ended": True, "text": text, "error": failed, "shown": shown, "private": run.private}
    await run.record(digest, kept)
    return ToolResult(text, failed, run.private)


def _was_cut_short(run: "Run") -> bool:
    """Whether a tool was at work here when the run stopped, whatever its arguments were.

    One that waited for a human is called again: it asks before it acts.
    """
    if any(is_below(question.path, run.path) for question in run.state.unanswered):
        return False
    entry = run.state.log.known(run.path) if run.state.log is not None else None
    return entry is not None and entry.value == {"ended": False}
