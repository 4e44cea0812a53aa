"""What a user may mean who has begun to write a name or an id."""

from mcp_types import Completion, CompletionArgument, PromptReference, ResourceTemplateReference

from guildhall.names import PATTERNS

from .jobs import Jobs

MOST = 100
RECENT = 200
"""Runs and memories that are looked through."""


async def completed(
    jobs: Jobs, ref: ResourceTemplateReference | PromptReference, argument: CompletionArgument
) -> Completion:
    """The names and ids that begin so, or have it in them."""
    begun = argument.value.casefold()
    names = await _names(jobs, ref, argument.name)
    found = [name for name in names if name.casefold().startswith(begun)]
    found += [name for name in names if begun in name.casefold() and name not in found]
    return Completion(values=found[:MOST], total=len(found), has_more=len(found) > MOST)


async def _names(jobs: Jobs, ref: ResourceTemplateReference | PromptReference, argument: str) -> list[str]:
    if argument == "pattern":
        return [*PATTERNS]
    kind = ref.uri.partition(":")[0] if isinstance(ref, ResourceTemplateReference) else argument
    match kind:
        case "team":
            return (await jobs.hall.library()).team_names()
        case "specialist":
            return (await jobs.hall.library()).specialist_names()
        case "run" | "continue_from" | "run_id":
            return [row.id for row in await (await jobs.hall.get()).runs(RECENT, here=True)]
        case "memory":
            found = await (await jobs.hall.get()).search("", limit=RECENT, sort="recent", public=True)
            return [hit.record.id for hit in found.hits]
        case _:
            return []
