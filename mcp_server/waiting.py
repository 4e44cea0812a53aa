"""A call of the host that waits for a run: it tells of progress, and puts to the host what the run asks."""

import asyncio
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

from mcp.server.mcpserver import Context
from mcp.shared.message import ServerMessageMetadata
from mcp_types import InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from .asks import ANSWERS, Abilities, Answer, Request
from .jobs import Job

TICK = 0.5
"""Seconds between two looks at a run; hosts are told when something has changed."""
BEAT = 4.0
"""Seconds after which a host is told even if nothing has; some give up after five."""
MOST_ROUNDS = 8
"""Times that one call is given back to the host for an answer, or to wait on; hosts give up after ten."""
FEW = 0.02
"""Seconds for the others of a team to ask, too, before the host is asked: each round is one of a few."""


class Leg(NamedTuple):
    """Which run a call goes on to wait for, and how often it was given back."""

    run: str
    rounds: int

    @classmethod
    def of(cls, ctx: Context[Any, Any]) -> "Leg | None":
        """What the host gives back of an earlier round; None at the first. It is sealed on its way."""
        run, _, rounds = (ctx.request_state or "").partition(" ")
        return cls(run, int(rounds)) if run else None

    @property
    def state(self) -> str:
        return f"{self.run} {self.rounds + 1}"


async def waited(
    ctx: Context[Any, Any], job: Job, *, seconds: float, leg: Leg | None = None
) -> InputRequiredResult | None:
    """Return when the run has ended, asks what this host cannot be asked, or the seconds are over.

    Or what the host has to do, where the protocol has it call again. The run goes on whatever becomes of
    the call.
    """
    leg = leg or Leg(job.id, 0)
    job.asks.abilities = Abilities.of(ctx.client_capabilities)
    job.asks.answer(ctx.input_responses or {})
    calls_again = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
    deadline, put = monotonic() + seconds, set[str]()
    progress = _Progress(ctx, job)
    while True:
        job.asks.changed.clear()
        await progress.tell()
        if job.ended:
            return None
        if calls_again and job.asks.open():
            if leg.rounds >= MOST_ROUNDS:
                return None
            await asyncio.sleep(FEW)
            return InputRequiredResult(input_requests=dict(job.asks.open()), request_state=leg.state)
        left = deadline - monotonic()
        if left <= 0:
            again = calls_again and leg.rounds < MOST_ROUNDS
            return InputRequiredResult(request_state=leg.state) if again else None
        if not calls_again:
            put |= job.asks.put(partial(_send, ctx), but=put)
        await _something(job, min(left, TICK))


async def _something(job: Job, seconds: float) -> None:
    """Return when the run has ended or asks something, at the latest after these seconds."""
    assert job.work is not None, "it is started at once"
    asked = asyncio.ensure_future(job.asks.changed.wait())
    try:
        await asyncio.wait({job.work, asked}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()


async def _send(ctx: Context[Any, Any], request: Request) -> Answer:
    """The answer of a host that can be asked in the middle of its own call; it may come after that call."""
    about = ServerMessageMetadata(related_request_id=ctx.request_id)
    answer: Answer = await ctx.session.send_request(request, ANSWERS[request.method], metadata=about)
    return answer


class _Progress:
    """Tells the host what is going on, one more each time: at each change and at each beat."""

    def __init__(self, ctx: Context[Any, Any], job: Job) -> None:
        self._ctx, self._job = ctx, job
        self._told, self._at, self._step = "", 0.0, 0.0

    async def tell(self) -> None:
        now, summary = monotonic(), self._job.view.summary()
        if summary == self._told and now - self._at < BEAT:
            return
        self._step = max(round(now - self._job.began, 2), self._step + 0.01)
        self._told, self._at = summary, now
        await self._ctx.report_progress(self._step, None, summary)
