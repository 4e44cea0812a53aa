"""What a user can choose in a host: one prompt for each team, and for each main way of working together."""

import asyncio
from typing import Any

from mcp_types import GetPromptResult, Prompt, PromptArgument, PromptMessage, TextContent

from guildhall.errors import NameUnknown
from guildhall.names import PATTERNS

from .jobs import Jobs

MAIN = {
    "debate": "Two sides or more, and a judge.",
    "parallel": "Several views at once, joined into one answer.",
    "pipeline": "One after the other, each on what came before.",
    "hierarchy": "A manager plans, hands out the parts and puts them together.",
    "vote": "Independent answers, and the one that most come to.",
    "map": "Long material divided among readers, and joined.",
}
"""Ways of working together that have a prompt."""
assert MAIN.keys() <= {*PATTERNS}, "they are patterns"
TASK = PromptArgument(name="task", description="What is wanted, self-contained.", required=True)
CONTINUE = PromptArgument(name="continue_from", description="A run to go on from.", required=False)


async def prompts(jobs: Jobs) -> list[Prompt]:
    """Those of the teams, then those of the patterns."""
    teams = {name: about for name, about in (await _teams(jobs)).items() if name not in MAIN}
    return [
        Prompt(name=name, title=_title(name), description=about, arguments=[TASK, CONTINUE])
        for name, about in [*teams.items(), *MAIN.items()]
    ]


async def prompt(jobs: Jobs, name: str, given: dict[str, str]) -> GetPromptResult:
    """The prompt of that name, with what the user gave. Raises NameUnknown."""
    if name in MAIN:
        about, how = MAIN[name], f"pattern={name!r}"
    else:
        teams = await _teams(jobs)
        if name not in teams:
            raise NameUnknown("prompt", name, [*teams, *MAIN])
        about, how = teams[name], f"team={name!r}"
    earlier = given.get("continue_from", "").strip()
    how += f" and continue_from={earlier!r}" if earlier else ""
    task = given.get("task", "").strip() or "what we have just been talking about"
    text = (
        f"Call run_team with {how}, and with what is written below as the task; put what it needs to know of "
        f"our conversation and files into context and files. Then tell me the answer with its sources, where "
        f"the members disagreed, and what it cost.\n\n{task}"
    )
    return GetPromptResult(
        description=about, messages=[PromptMessage(role="user", content=TextContent(text=text))]
    )


async def _teams(jobs: Jobs) -> dict[str, str]:
    teams = await asyncio.to_thread((await jobs.hall.library()).teams)
    return {one.name: one.spec.description for one in teams if one.spec is not None}


def _title(name: str) -> Any:
    return name.replace("-", " ").replace("_", " ").capitalize()
