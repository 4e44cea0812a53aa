"""Tools with which an agent asks and feeds the shared memory."""

from ..message import memory_quote
from ..tool import Tool, ToolContext, tool


def memory_tools() -> list[Tool]:
    """`recall` and `remember`, over the memory of the run that they are called in."""
    return [recall, remember]


@tool
async def recall(query: str, context: ToolContext) -> str:
    """What is remembered about the query: earlier outcomes, facts, decisions, each with its label."""
    hits = await context.run.recall(query)
    if not hits:
        return "Nothing is remembered about that."
    context.run.show([memory_quote(hit) for hit in hits])
    return "\n\n".join(f"[{hit.record.label}] {hit.record.text}" for hit in hits)


@tool(risk="write")
async def remember(text: str, context: ToolContext, subject: str | None = None) -> str:
    """Keep a fact for later runs. With a subject such as `db.engine` it replaces what was known of that."""
    remembered = await context.run.remember(text, subject=subject)
    if remembered.merged:
        return "That was remembered already."
    said = f"Remembered as memory:{remembered.id[:8]}."
    if remembered.conflicts:
        held = ", ".join(f"memory:{conflict[:8]}" for conflict in remembered.conflicts)
        said += f" What is trusted more still holds beside it: {held}."
    return said
