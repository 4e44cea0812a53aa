"""Runs at work in this server: outside of any request, whoever waits for them, leaves or comes back."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Callable, Coroutine
from contextvars import Context as Variables
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from guildhall.errors import NameUnknown, UserError
from guildhall.names import WAIT

from .asks import Abilities, Asks
from .human import HostUser
from .lazy import LazyHall, OpenHall
from .subscriptions import Subscriptions

if TYPE_CHECKING:
    from guildhall.agents.hall import Hall
    from guildhall.agents.result import Collector, Result
    from guildhall.memory.store.runs import RunRow
    from guildhall.view.reduce import View

    Begin = Callable[[dict[str, Any]], Coroutine[Any, Any, Result]]
    """A run, given the options of the hall with which it is watched."""
    BeginIn = Callable[[Hall, dict[str, Any]], Coroutine[Any, Any, Result]]

LOOK = 0.25
"""Seconds between two looks at a run of another process."""
NEWS = 1.0
"""Seconds between two words to those who have subscribed to a run."""
ENDING = 5.0
"""Seconds that a cancelled run has for its end."""
KEPT = 20
"""Ended runs that are kept at hand; the store has all."""
SHORTEST = 8
"""Characters of an id that name a run: what is shorter could be guessed."""
current: "ContextVar[Job]" = ContextVar("job")
"""The job in whose context something works, for the host's own model."""


@dataclass(eq=False)
class Job:
    """A run, and who is at work in it, whether in this process or in another one."""

    id: str
    view: "View"
    collector: "Collector"
    key: str = ""
    """The same for the same call."""
    asks: Asks = field(default_factory=Asks)
    began: float = field(default_factory=monotonic)
    told: bool = False
    """Whether the model that called for it was told how it ended."""
    last: int = 0
    """The last event that was read from disk."""
    work: "asyncio.Task[Result] | None" = None

    @property
    def ended(self) -> bool:
        return self.work is not None and self.work.done()

    @property
    def is_new(self) -> bool:
        """Whether it is not on disk yet."""
        return not self.ended and not self.collector.run_id

    @property
    def is_none(self) -> bool:
        """Whether it has ended before there was a run."""
        return self.ended and not self.collector.run_id

    def was_told(self) -> None:
        """Note that the model that called for it knows how it stands now."""
        self.told = self.ended

    def is_as(self, status: str) -> bool:
        """Whether it is what the disk says of it: somebody else may have gone on with it since."""
        if self.work is None or not self.work.done():
            return True
        known = not self.work.cancelled() and self.work.exception() is None
        return known and self.work.result().status == status

    async def result(self, hall: "Hall") -> "Result":
        """What it has come to, finished or not. Raises what it failed with before it was a run."""
        assert self.work is not None, "it is started at once"
        so_far = self.collector.result(status="running").model_copy(
            update={"run_id": self.id, "seconds": self._seconds()}
        )
        if self.work.done():
            cancelled = self.work.cancelled()  # before it was on disk
            return so_far.model_copy(update={"status": "cancelled"}) if cancelled else self.work.result()
        if self.is_new:
            return so_far
        return so_far.model_copy(update={"questions": await hall.questions(self.id)})

    def _seconds(self) -> float:
        """How long it has been at work, here or, as its events say, in another process."""
        began = self.collector.began
        return round(max(0.0, time() - began if began else monotonic() - self.began), 3)


class Jobs:
    """The runs that this server's hosts have called for."""

    def __init__(self, open_hall: OpenHall, subscriptions: Subscriptions, *, patience: float = WAIT) -> None:
        self.hall, self.patience = LazyHall(open_hall), patience
        self.subscriptions = subscriptions
        self._telling, self._beginning = set[asyncio.Task[None]](), set[asyncio.Task[Job]]()
        self._jobs: dict[str, Job] = {}

    async def close(self) -> None:
        """Leave what is at work to be resumed, and close the hall."""
        for beginning in self._beginning:
            beginning.cancel()
        await self.hall.close()
        for job in self._jobs.values():
            if job.work is not None:
                job.work.cancel()
        work = [job.work for job in self._jobs.values() if job.work is not None]
        await asyncio.gather(*work, *self._telling, return_exceptions=True)

    def joined(self, key: str) -> Job | None:
        """The run of the same call that is at work, or has ended without any host being told."""
        same = (job for job in self._jobs.values() if job.key == key)
        return next((job for job in same if not job.told and not job.is_none), None)

    async def called(self, begin: "BeginIn", *, key: str, abilities: Abilities) -> Job:
        """The run of this call, which begins even if the host gives up before the hall is open."""
        beginning = asyncio.create_task(self._called(begin, key, abilities), context=Variables())
        self._beginning.add(beginning)
        beginning.add_done_callback(self._beginning.discard)
        beginning.add_done_callback(_heard)
        return await asyncio.shield(beginning)

    async def _called(self, begin: "BeginIn", key: str, abilities: Abilities) -> Job:
        hall = await self.hall.get()
        return self.joined(key) or self.start(partial(begin, hall), key=key, abilities=abilities)

    def start(self, begin: "Begin", *, key: str = "", before: Job | None = None, abilities: Abilities) -> Job:
        """A new run, or one that goes on; it works in a context of its own, where nothing of a request is."""
        from guildhall.agents.result import Collector
        from guildhall.view.reduce import View

        run, view = (before.id, before.view) if before else ("", View())  # which goes on in the same view
        job = Job(run or secrets.token_hex(16), view, Collector(), key, Asks(abilities))
        watching: dict[str, Any] = {
            "sinks": [job.view, job.collector], "on_text": job.view.text, "human": HostUser(job.asks),
        }  # fmt: skip
        self._begin(job, begin(watching if run else watching | {"run_id": job.id}))
        return job

    async def find(self, run_id: str = "") -> Job:
        """The run of that id, of the only id that begins so, or the newest; wherever it is at work.

        The newest is that of this server, else of this project.
        """
        if 0 < len(run_id) < SHORTEST:
            hint = f"Give {SHORTEST} characters of an id that `guildhall runs` lists, or none for the newest"
            raise NameUnknown("run", run_id, (), hint=hint)
        here = [job for id_, job in self._jobs.items() if id_.startswith(run_id) and not job.is_none]
        if here and not run_id:
            here = [max(here, key=lambda job: job.began)]
        if len(here) == 1 and not here[0].ended:
            return here[0]
        hall = await self.hall.get()
        if not here and not run_id:
            row = await _newest(hall)
        else:
            row = await hall.find(here[0].id if len(here) == 1 else run_id)
        job = self._jobs.get(row.id)
        return job if job is not None and job.is_as(row.status) else await self._followed(hall, row.id)

    async def resumed(self, job: Job, *, abilities: Abilities) -> Job:
        """The run as it goes on here, where nobody works on it."""
        hall = await self.hall.get()
        if (await hall.find(job.id)).status == "running":
            return job
        return self.start(partial(_resume, hall, job.id), before=job, abilities=abilities)

    async def answered(self, job: Job, text: str, *, question: str, abilities: Abilities) -> Job:
        """The run as it goes on with the user's answer, here or where it is at work."""
        hall = await self.hall.get()
        if (await hall.find(job.id)).status == "running":
            await hall.answer(job.id, text, question=question)
            return job
        begin = partial(_answer, hall, job.id, text, question)
        return self.start(begin, before=job, abilities=abilities)

    async def cancelled(self, job: Job) -> Job:
        """The run, brought to its end wherever it is at work."""
        hall, began = await self.hall.get(), not job.is_new
        if began:
            await hall.cancel(job.id)
        elif job.work is not None:
            job.work.cancel()
        if job.work is not None:
            await asyncio.wait({job.work}, timeout=ENDING)
        return await self.find(job.id) if began else job

    async def _followed(self, hall: "Hall", run: str) -> Job:
        """The run as its log tells of it, which another process may be writing."""
        from guildhall.agents.follow_up import is_private
        from guildhall.agents.result import Collector
        from guildhall.view.reduce import View

        job = Job(run, View(), Collector())
        at_work = await _read(hall, job)
        if await is_private(hall, run):
            raise UserError(
                f"run {run[:12]} worked on private data, which is not told here: `guildhall runs show "
                f"{run[:12]}` shows it to the user"
            )
        self._begin(job, _follow(hall, job), keep=at_work)
        if not at_work:
            await asyncio.wait({job.work} if job.work else ())
        return job

    def _begin(self, job: Job, work: "Coroutine[Any, Any, Result]", *, keep: bool = True) -> None:
        variables = Variables()
        variables.run(current.set, job)
        job.work = asyncio.create_task(work, name=f"run {job.id}", context=variables)
        job.work.add_done_callback(_heard)
        if keep:
            telling = asyncio.create_task(self._tell(job), context=Variables())
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)
            self._jobs[job.id] = job
            ended = [id_ for id_, one in self._jobs.items() if one.ended]
            for id_ in ended[:-KEPT]:
                del self._jobs[id_]

    async def _tell(self, job: Job) -> None:
        """Tell those who want to know of the run of it now and then, and of its end."""
        assert job.work is not None, "it is started at once"
        last = 0
        while not job.work.done():
            await asyncio.wait({job.work}, timeout=NEWS)
            if job.collector.seen != last:
                last = job.collector.seen
                await self.subscriptions.tell(f"run://{job.id}")
        await self.subscriptions.tell("runs://recent")


async def _newest(hall: "Hall") -> "RunRow":
    for row in await hall.runs(1, here=True):
        return row
    raise UserError("there is no run in this project yet; run_team makes one")


def key_of(tool: str, arguments: dict[str, Any]) -> str:
    """The same for the same call."""
    return hashlib.sha256(json.dumps([tool, arguments], sort_keys=True).encode()).hexdigest()


def _resume(hall: "Hall", run: str, options: dict[str, Any]) -> "Coroutine[Any, Any, Result]":
    return hall.resume(run, **options)


def _answer(
    hall: "Hall", run: str, text: str, question: str, options: dict[str, Any]
) -> "Coroutine[Any, Any, Result]":
    return hall.answer(run, text, question=question, **options)


async def _follow(hall: "Hall", job: Job) -> "Result":
    while await _read(hall, job):  # noqa: ASYNC110  another process writes it
        await asyncio.sleep(LOOK)
    return await hall.result(job.id)


async def _read(hall: "Hall", job: Job) -> bool:
    """Whether somebody works on the run still, whose events so far are told."""
    row = await hall.find(job.id)  # first, so that no event of a run that ends meanwhile is missed
    for event in await hall.events(job.id, job.last):
        job.last = event.id
        job.view(event)
        job.collector(event)
    if row.status == "interrupted":
        job.view.cut_short()
    return row.status == "running"


def _heard(work: "asyncio.Task[Any]") -> None:
    """Nobody may be there any more whom its error could be told."""
    if not work.cancelled():
        work.exception()
