"""What the MCP server costs its host: its start, its tools, its calls, and what a run takes above its model.

    python benchmarks/mcp_cost.py [--check] [--rounds 5] [--seconds 0.5]

The start is compared with a server of the same library that has one tool and nothing else, in one go: the CPU
seconds of the process until it has answered `initialize` and `tools/list`. Tokens are bytes of compact JSON
over four. A warm run is held against the same calls of the same model, as many at once and as many in a row:
those of a client of HTTP that does nothing else, and those of the SDK of OpenAI as it comes. They take turns,
so that each pays for a machine that has slept as long as a call takes, `--seconds`; what counts is the wall
time. A run is to take 15 ms more than the model does as the SDK sees it, which is measured right on an idle
machine alone, and so not checked. `--check` fails where the start costs more than 1.2 times the other's, or
the tools more than 1,500 tokens, or 2,200 with what they give back.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mcp.client import Client

from guildhall.mcp_server.server import build

BARE = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("bare", log_level="WARNING")
@server.tool()
def greet(name: str) -> str:
    "Greet somebody."
    return name
server.run("stdio")
"""
MOST_CPU, MOST_TOKENS, MOST_WITH_OUTPUT = 1.2, 1_500, 2_200
CALLS = 200
STAGES = {"1 call": (1,), "3 calls": (2, 1), "7 calls": (6, 1)}
"""The calls at once, of each stage of a run."""


class Start(NamedTuple):
    """Of one process, in milliseconds."""

    cpu: float
    initialize: float
    tools: float
    ready: float
    """Until it has answered what only the library can."""


def started(arguments: list[str]) -> Start:
    began = time.perf_counter()
    environ = {**os.environ, "GUILDHALL_HOME": tempfile.gettempdir() + "/guildhall-benchmark"}
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environ,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def ask(number: int, method: str, **params: Any) -> float:
            sent = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            server.stdin.write(json.dumps(sent).encode() + b"\n")  # type: ignore[union-attr]  # see above
            server.stdin.flush()  # type: ignore[union-attr]  # see above
            server.stdout.readline()  # type: ignore[union-attr]  # see above
            return (time.perf_counter() - began) * 1000

        who = {"name": "benchmark", "version": "1"}
        first = ask(1, "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=who)
        listed = ask(2, "tools/list")
        used = cpu_of(server.pid)
        ready = ask(3, "ping")
        server.stdin.close()
        server.wait()
    return Start(used, first, listed, ready)


def cpu_of(process: int) -> float:
    """Milliseconds of CPU that it has used. Linux only."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def middle(starts: list[Start]) -> Start:
    return Start(*(round(statistics.median(values), 1) for values in zip(*starts, strict=True)))


async def tokens() -> tuple[float, float]:
    """Of the names, descriptions and input schemas; and with the output schemas."""
    async with Client(build()) as client:
        tools = (await client.list_tools()).model_dump(mode="json", by_alias=True, exclude_none=True)["tools"]
    read = [{key: tool[key] for key in ("name", "description", "inputSchema")} for tool in tools]
    given = [tool["outputSchema"] for tool in tools]
    sizes = [len(json.dumps(part, separators=(",", ":"))) / 4 for part in (read, given)]
    return sizes[0], sum(sizes)


async def model(seconds: float) -> None:
    """Serve a model in a process of its own; its port is printed."""
    server = await asyncio.start_server(partial(answer, seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def answer(seconds: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: each call of chat completions is answered after so many seconds."""
    while head := (await reader.readuntil(b"\r\n\r\n")).lower():
        size = int(head.split(b"content-length:")[1].split()[0]) if b"content-length:" in head else 0
        await reader.readexactly(size)
        if b"/chat/completions" in head:
            await asyncio.sleep(seconds)
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "slow"}
            choice = {"index": 0, "delta": {"content": "So it is."}, "finish_reason": "stop"}
            used = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
            said, end = chunk | {"choices": [choice]}, chunk | {"choices": [], "usage": used}
            lines = [f"data: {json.dumps(one)}\n\n" for one in (said, end)]
            kind, body = "text/event-stream", "".join([*lines, "data: [DONE]\n\n"])
        else:
            kind, body = "application/json", json.dumps({"object": "list", "data": [{"id": "slow"}]})
        writer.write(
            f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )
        await writer.drain()


def team_of(project: Path, size: int) -> None:
    """Write a team of so many who work at once, and one who joins what they say."""
    folder = project / ".guildhall"
    for kind in ("teams", "specialists"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    names = [f"m{number}" for number in range(size)]
    for name in [*names, "last"]:
        front = f"---\nname: {name}\ndescription: Looks at part {name}.\n---\n"
        (folder / "specialists" / f"{name}.md").write_text(f"{front}Look.\n")
    about = f"name: team{size}\ndescription: Looks.\npattern: parallel\nmembers: [{', '.join(names)}]"
    (folder / "teams" / f"team{size}.md").write_text(f"---\n{about}\nsynthesizer: last\n---\nLook.\n")


class Over(NamedTuple):
    """Milliseconds above the seconds that the model takes."""

    run: float
    http: float
    sdk: float

    def __str__(self) -> str:
        above = f"{self.run - self.http:.1f} above a bare client, {self.run - self.sdk:.1f} above the SDK"
        return f"{self.run:.1f} ({above})"


Stages = tuple[int, ...]
Take = Callable[[Stages, str], Awaitable[None]]
"""Makes the calls of these stages, about the task."""


async def of_run(client: Client, stages: Stages, task: str) -> None:
    tool, given = "run_team", {"team": f"team{stages[0]}"}
    if stages == (1,):
        tool, given = "ask_specialist", {"specialist": "last"}
    result = await client.call_tool(tool, {"task": task, **given})
    assert (result.structured_content or {}).get("status") == "done", result


async def in_stages(call: Callable[[str], Awaitable[None]], stages: Stages, task: str) -> None:
    for at_once in stages:
        await asyncio.gather(*(call(task) for _ in range(at_once)))


def request(task: str) -> dict[str, Any]:
    """Like those of a run, and about as long."""
    turns = [{"role": "system", "content": "Look. " * 100}, {"role": "user", "content": task}]
    told = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 8192}
    return {"model": "slow", "messages": turns, **told}


async def with_http(session: Any, url: str, task: str) -> None:
    async with session.post(f"{url}/chat/completions", json=request(task)) as response:
        await response.read()


async def with_sdk(client: Any, task: str) -> None:
    async for _ in await client.chat.completions.create(**request(task)):
        pass


async def over(stages: Stages, takes: Sequence[Take], seconds: float, rounds: int) -> Over:
    """The medians of what takes turns; of each, the first one warms up."""
    found: list[list[float]] = [[] for _ in takes]
    for number in range(rounds + 1):
        for take, times in zip(takes, found, strict=True):
            began = time.perf_counter()
            await take(stages, f"Look at {number}.")
            times.append((time.perf_counter() - began - len(stages) * seconds) * 1000)
    return Over(*(round(statistics.median(times[1:]), 1) for times in found))


async def calls(seconds: float, rounds: int) -> tuple[dict[str, Over], float]:
    """What runs take above the model's time, by their calls; and how often it recalls a second."""
    from aiohttp import ClientSession
    from openai import AsyncOpenAI

    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        program = [sys.executable, __file__, "--serve-model", str(seconds)]
        out, quiet = subprocess.PIPE, subprocess.DEVNULL
        served = subprocess.Popen(program, stdout=out, stderr=quiet, text=True)  # noqa: ASYNC220  once
        assert served.stdout is not None
        url = f"http://127.0.0.1:{int(served.stdout.readline())}/v1"
        os.environ |= {"GUILDHALL_BASE_URL": url, "GUILDHALL_HOME": str(project / "home")}
        os.chdir(project)
        for size in (2, 6):
            team_of(project, size)
        async with (
            Client(build()) as client,
            ClientSession() as session,
            AsyncOpenAI(base_url=url, api_key="none") as sdk,
        ):
            bare = partial(with_http, session, url), partial(with_sdk, sdk)
            takes = [partial(of_run, client), *(partial(in_stages, call) for call in bare)]
            found = {name: await over(stages, takes, seconds, rounds) for name, stages in STAGES.items()}
            began = time.perf_counter()
            for _ in range(CALLS):
                await client.call_tool("recall", {"query": "harbour"})
            rate = CALLS / (time.perf_counter() - began)
        served.kill()
        served.wait()
    return found, rate


def main(seconds: float, rounds: int, *, check: bool) -> int:
    problems = []
    starts = {"a bare server": ["-c", BARE], "guildhall mcp": ["-m", "guildhall", "mcp"]}
    starts["without the front"] = ["-m", "guildhall", "mcp", "--port", "8765"]
    print(f"{'':26}{'CPU ms':>10}{'initialize':>12}{'tools/list':>12}{'ready ms':>10}")
    found = {}
    for name, arguments in starts.items():
        found[name] = middle([started(arguments) for _ in range(rounds + 1)][1:])
        start = found[name]
        print(f"{name:26}{start.cpu:>10}{start.initialize:>12}{start.tools:>12}{start.ready:>10}")
        ratio = start.cpu / found["a bare server"].cpu
        if ratio > MOST_CPU and len(arguments) == 3:  # as hosts start it
            problems.append(f"{name}: {ratio:.2f} times the CPU of a bare server; {MOST_CPU} are allowed")
    read, all_ = asyncio.run(tokens())
    print(f"tokens of the tools: {read:.0f}, with what they give back {all_:.0f}")
    if read > MOST_TOKENS or all_ > MOST_WITH_OUTPUT:
        problems.append(f"the tools may have {MOST_TOKENS} tokens, {MOST_WITH_OUTPUT} with output")
    taken, rate = asyncio.run(calls(seconds, rounds))
    print(f"calls of recall: {rate:.0f} a second")
    print("ms above the model's time:")
    for name, took in taken.items():
        print(f"  {name}: {took}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems and check else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="fail where it costs more than is allowed")
    parser.add_argument("--rounds", type=int, default=5, help="starts, and runs, of each kind")
    parser.add_argument("--seconds", type=float, default=0.5, help="what a call of the model takes")
    parser.add_argument("--serve-model", type=float, default=0.0, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.serve_model:
        asyncio.run(model(told.serve_model))
    sys.exit(main(told.seconds, told.rounds, check=told.check))
