"""A process to be killed: a team over HTTP, begun or resumed. Prints the answer and the calls counted."""

import asyncio
import json
import sys
from pathlib import Path

from guildhall.agents import Agent, Budget, Hall, Member, Parallel, Pipeline
from guildhall.agents.event import Event, Replied
from guildhall.agents.models.anthropic_api import AnthropicModel
from guildhall.agents.models.openai_chat import OpenAICompatibleModel

RUN = "0123456789abcdef0123456789abcdef"


def team(url: str, change: str = "") -> Member:
    """Two teams side by side, on both SDKs, and one who fails for good."""
    one = AnthropicModel("claude-fake", api_key="k", base_url=url)
    other = OpenAICompatibleModel("fake", base_url=f"{url}/v1", api_key="k")
    failing = OpenAICompatibleModel("fake/400", base_url=f"{url}/v1", api_key="k")

    def agent(name: str, number: int) -> Agent:
        return Agent(name, f"You are {name}. {change}", [(one, other)[number % 2]])

    panel = Parallel("panel", [*(agent(f"p{i}", i) for i in range(4)), Agent("bad", "Fail.", [failing])])
    line = Pipeline("line", [agent(f"l{i}", i) for i in range(3)])
    return Parallel("team", [panel, line], agent("chair", 1), need=2)


async def main(home: str, url: str, mode: str, change: str = "") -> None:
    async with Hall.open(home=Path(home), project=Path(home), environ={}) as hall:
        member = team(url, change)

        def acknowledge(event: Event) -> None:
            if isinstance(event, Replied):
                print("replied", event.path, flush=True)

        print("ready", flush=True)
        if mode == "begin":
            result = await hall.run_team(
                member, "Decide it.", budget=Budget(calls=40), sinks=[acknowledge], run_id=RUN
            )
        else:
            result = await hall.resume(RUN, team=member, force=True)
    print(
        json.dumps({"answer": result.answer, "error": result.error, "calls": result.usage.calls}), flush=True
    )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
