"""Where runs begin, and begin again: the face that all other faces use."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Self, Unpack

from guildhall.errors import RunRefused, UserError
from guildhall.home import data_folder, project_folder, scope_of
from guildhall.memory.records import Found, Hit, Kind, Remembered
from guildhall.memory.store.database import Database
from guildhall.memory.store.liveness import Liveness
from guildhall.memory.store.retention import Pruned
from guildhall.memory.store.runs import RunRow, Runs, digest_of
from guildhall.redact import know

from . import event as ev
from .at_work import AtWork, begun, taken
from .budget import Budget
from .commission import (
    Built,
    KeptFile,
    RunOptions,
    RunSpec,
    build,
    commissioned,
    limits_of,
    opening,
    refuse_if_changed,
    refuse_unusable,
)  # fmt: skip
from .conduct import conduct, take_over
from .config import Config, Preference, read_config
from .discovery import Library
from .documents import read_files
from .estimate import Estimate, estimated
from .follow_up import continued
from .message import Attachment, Message
from .models.base import Model
from .models.catalog import Catalog, Choice
from .models.clients import hold_clients, release_clients
from .patterns.together import check_members
from .questions import ASKING, OpenQuestion, answer, only_one, refuse_unanswered
from .result import Result, Status, called_off, collect
from .run import Member
from .shared import Shared
from .spec_types import TeamSpec
from .state import Channel, OnDelta, RunState, Sink
from .team import TeamBuilder
from .tool import Tool
from .tools import project_tools


class Hall:
    """Runs teams and specialists, and remembers; made with `Hall.open()`."""

    def __init__(
        self, *, home: Path, project: Path, catalog: Catalog, config: Config, db: Database,
        liveness: Liveness, host: str, recalls_private: bool,
    ) -> None:  # fmt: skip
        self.home, self.project, self.scope = home, project, scope_of(project)
        self.catalog = catalog
        self.library = Library(project, home)
        self._shared = Shared(
            db=db, liveness=liveness, catalog=catalog, config=config, scope=self.scope, host=host,
            recalls_private=recalls_private,
        )  # fmt: skip
        self.memory = self._shared.memory
        self._runs = Runs(db, liveness)
        self._at_work = AtWork(self._runs)
        self._tidying: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        home: Path | None = None,
        project: Path | None = None,
        environ: Mapping[str, str] | None = None,
        host: str = "python",
        recalls_private: bool = True,
        interrupts: bool = False,
        host_model: Model | None = None,
    ) -> AsyncIterator[Self]:
        """A hall over the user's data folder and the project around the working folder.

        Without `recalls_private`, runs see no private memories: who reads their answers may be a model.
        Leaving it ends runs that are at work: they are cancelled, or with `interrupts` left to be resumed.
        """
        environ = dict(os.environ if environ is None else environ)
        know(environ)
        home = (home or data_folder(environ)).absolute()
        config = read_config(home)
        async with AsyncExitStack() as closing:
            db = await asyncio.to_thread(Database, home / "guildhall.db")
            closing.push_async_callback(asyncio.to_thread, db.close)
            liveness = await asyncio.to_thread(Liveness, home / "locks", needed=not db.read_only)
            closing.callback(liveness.close)
            hold_clients()
            closing.push_async_callback(release_clients)
            hall = cls(
                home=home,
                project=project_folder(project),
                catalog=Catalog(environ, config, host_model),
                config=config,
                db=db,
                liveness=liveness,
                host=host,
                recalls_private=recalls_private,
            )
            closing.push_async_callback(hall._shared.close)
            closing.push_async_callback(hall._stop, interrupt=interrupts)
            yield hall

    # -- runs

    async def run_team(self, team: str | Member, task: str, **options: Unpack[RunOptions]) -> Result:
        """The team's result; `team` is a name or any Member, the options are those of RunOptions.

        A run that fails returns, too, with status `failed` and the reason in `error`. What cannot
        be used (an unknown name, an unreadable file) raises UserError before anything is called.
        """
        if isinstance(team, str):
            return await self._start(self._asked("team", team, task, options), None, options)
        check_members("the hall", [team])
        if options.get("pattern"):
            raise UserError(
                f"pattern is for teams by name; {team.name} is a team already: make it another one"
            )
        return await self._start(self._asked("member", team.name, task, options), team, options)

    async def ask(self, specialist: str, task: str, **options: Unpack[RunOptions]) -> Result:
        """The result of one specialist: a name, or a role described in words (`a patent lawyer`)."""
        return await self._start(self._asked("ask", specialist, task, options), None, options)

    async def estimate(
        self, name: str, task: str, *, kind: Literal["team", "ask"] = "team", **options: Unpack[RunOptions]
    ) -> Estimate:
        """What such a run would do, usually takes and could cost at most, without a call of any model."""
        spec = await continued(self, self._asked(kind, name, task, options), options.get("continue_from"))
        read = await asyncio.to_thread(read_files, _listed(options))
        built = await self._built(spec, None)
        budget = self._limits(spec, built)
        message = opening(spec, read)
        refuse_unusable(message, built.agents, budget, self._shared.prices)
        return estimated(built, message, budget, self._shared.prices, await self._shared.track())

    async def resume(
        self,
        run_id: str = "",
        *,
        force: bool = False,
        budget: Budget | None = None,
        team: Member | None = None,
        sinks: Sequence[Sink] = (),
        on_text: OnDelta | None = None,
        human: Channel | None = None,
    ) -> Result:
        """The result of a run that was cut short: what was paid for is answered from its journal.

        What had failed is tried again, unless the process died; a run that is done is gone on with where
        members had failed, or with a new `budget`: it keeps its answer unless it comes to a better one.
        A new budget counts where it names a limit, and elsewhere the one that the run was given. `team` is
        the member itself, where a program made it. A team that has changed since is refused, unless
        `force`, and so is a run that waits for the user, where no `human` can be asked.
        """
        row = await self._runs.find(run_id)
        if row.status == "done" and budget is None:
            result = await self.result(row.id)
            if not any(one.status == "failed" for one in result.contributions):
                return result
        spec = RunSpec.model_validate_json(row.spec)
        built = await self._built(spec, team)
        if not force:
            refuse_if_changed(row, built)
        if human is None:
            refuse_unanswered(row, await self._shared.questions.pending(row.id))
        if budget is not None:
            spec = spec.model_copy(update={"budget": limits_of(budget, spec.budget, 0)})
        limits = self._limits(spec, built)
        state = await self._shared.state(
            row.id, spec, limits, built.agents, sinks=sinks, on_text=on_text, human=human
        )
        return await self._go_on(state, row, spec, built, larger_budget=budget is not None)

    async def answer(
        self, run_id: str, text: str, *, question: str = "", team: Member | None = None, **shown: Any
    ) -> Result:
        """The result of the run, which goes on from its journal with this answer of the user.

        No run named is the only one that asks; `question` is an id or the beginning of one, and needed where
        several are open. A run at work elsewhere goes on there, and is `running` here. `team` and what is
        `shown` are as of `resume`. Raises RunRefused where nothing is asked or somebody was first.
        """
        questions = self._shared.questions
        row = await self._runs.find(run_id or only_one(await questions.waiting()))
        await answer(questions, row, text, question)
        if (await self._runs.find(row.id)).status not in ("needs_input", "interrupted"):
            return await self.result(row.id)
        try:
            return await self.resume(row.id, team=team, **shown)
        except RunRefused as refused:
            raise RunRefused(f"the answer is kept, but the run does not go on here: {refused}") from None

    async def cancel(self, run_id: str = "") -> RunRow:
        """The run as it is after it was asked to end; the process that works on it sees that at once."""
        row = await self._runs.find(run_id)
        if row.status in ("interrupted", "needs_input"):
            end = called_off(row.id, await self.events(row.id))
            await self._runs.mark_cancelled(row, end.id, ev.dumped(end))
        elif row.status == "running":
            if not self._at_work.cancel(row.id):
                await self._runs.request_cancel(row.id)
            with suppress(TimeoutError):
                async with asyncio.timeout(10):
                    while (await self._runs.find(row.id)).status == "running":  # noqa: ASYNC110  it is on disk
                        await asyncio.sleep(0.05)
        return await self._runs.find(row.id)

    async def runs(self, limit: int = 20, *, here: bool = False) -> list[RunRow]:
        """The newest runs of the user, of all processes and, unless only those `here` count, all projects."""
        return await self._runs.recent(limit, scope=self.scope if here else None)

    async def find(self, run_id: str = "") -> RunRow:
        """The run of that id, of the only id that begins so, or the newest."""
        return await self._runs.find(run_id)

    async def events(self, run_id: str = "", after: int = 0) -> list[ev.Event]:
        """The events of a run from the one with id `after` on, also while another process works on it."""
        row = await self._runs.find(run_id)
        return [ev.EVENT.validate_json(body) for body in await self._runs.events(row.id, after)]

    async def result(self, run_id: str = "") -> Result:
        """What a stored run has come to, finished or not."""
        row = await self._runs.find(run_id)
        collector = collect(await self.events(row.id))
        collector.run_id, collector.team, collector.task = row.id, row.team, row.task
        status: Status = row.status  # type: ignore[assignment]  # the column holds these words
        asked = await self._shared.questions.pending(row.id) if status in ASKING else ()
        return collector.result(status=status).model_copy(update={"questions": OpenQuestion.of(asked)})

    async def questions(self, run_id: str) -> tuple[OpenQuestion, ...]:
        """What the run of that id asks the user now."""
        return OpenQuestion.of(await self._shared.questions.pending(run_id))

    async def prune(
        self, *, days: float | None = None, megabytes: float | None = None, dry: bool = False
    ) -> Pruned:
        """Remove runs older than `days`, then the oldest until the rest fits; as configured where None.

        Memory is kept. With `dry`, nothing is removed.
        """
        return await self._shared.pruned(days=days, megabytes=megabytes, dry=dry)

    # -- memory

    async def recall(self, query: str, *, limit: int = 10, **filters: Any) -> list[Hit]:
        """What this project remembers of the query, the best first; filters as of Memory.recall."""
        return await self.memory.recall(query, scope=self.scope, limit=limit, **filters)

    async def search(self, query: str, *, limit: int = 10, **how: Any) -> Found:
        """The same, and how it was found; `how` as of Memory.search."""
        return await self.memory.search(query, scope=self.scope, limit=limit, **how)

    async def remember(
        self, text: str, *, kind: Kind = "fact", subject: str | None = None, **more: Any
    ) -> Remembered:
        """What became of the text, which now holds for this project; more as of Memory.remember."""
        return await self.memory.remember(text, scope=self.scope, kind=kind, subject=subject, **more)

    # -- what there is

    def tools(self) -> Mapping[str, Tool]:
        """The tools that specialists can name."""
        return project_tools(self.project)

    async def choices(self) -> list[Choice]:
        """The model of each tier, and why."""
        await self.catalog.ready()
        return self.catalog.choices()

    async def team(
        self,
        name: str,
        *,
        pattern: str | None = None,
        model: str | None = None,
        preference: Preference | None = None,
    ) -> tuple[Built, TeamSpec]:
        """The team as it would work now, and what its file says; no model has to be there for that."""
        await self.catalog.ready()
        builder = TeamBuilder(self.library, self.catalog, self.tools(), model, preference=preference)
        member, spec = builder.team(name, pattern=pattern)
        notices = (*builder.library.notices_for(name), *builder.notices)
        return Built(member, spec.pattern, "", Budget(), notices, tuple(builder.agents)), spec

    # -- how a run is started

    def _asked(
        self, kind: Literal["team", "ask", "member"], name: str, task: str, options: RunOptions
    ) -> RunSpec:
        if not task.strip():
            raise UserError("the task is empty; say what is to be done")
        return commissioned(kind, name, task, self.project, options)

    async def _start(self, spec: RunSpec, member: Member | None, options: RunOptions) -> Result:
        spec = await continued(self, spec, options.get("continue_from"))
        files = _listed(options)
        read = await asyncio.to_thread(read_files, files) if files else []
        built = await self._built(spec, member)
        budget, message = self._limits(spec, built), opening(spec, read)
        refuse_unusable(message, built.agents, budget, self._shared.prices)
        kept = [KeptFile(digest=digest_of(f.data), **f.model_dump(exclude={"data"})) for f in read]
        spec = spec.model_copy(update={"files": tuple(kept)})
        state = await self._shared.state(
            options.get("run_id") or secrets.token_hex(16), spec, budget, built.agents,
            sinks=options.get("sinks", ()), on_text=options.get("on_text"), human=options.get("human"),
        )  # fmt: skip
        row = RunRow(
            id=state.id, kind=spec.kind, team=built.member.name, pattern=built.pattern, task=spec.task,
            spec=spec.model_dump_json(), fingerprint=built.fingerprint, scope=self.scope,
        )  # fmt: skip
        state.log = await begun(state, self._runs.begin(row, [f.data for f in read]))
        return await self._carry_out(state, built, message)

    def _limits(self, spec: RunSpec, built: Built) -> Budget:
        return limits_of(spec.budget, built.budget, self._shared.config.budget.usd)

    async def _go_on(
        self, state: RunState, row: RunRow, spec: RunSpec, built: Built, *,
        larger_budget: bool = False, told: bool = False,
    ) -> Result:  # fmt: skip
        """The result of a run that is taken over; `told` where the sinks have seen what happened before."""
        events = await self.events(row.id)
        kept = [
            Attachment(data=await self._runs.file(f.digest), **f.model_dump(exclude={"digest"}))
            for f in spec.files
        ]
        state.unanswered = await self._shared.questions.pending(row.id)
        state.log = await taken(self._runs.claim(row, spec=spec.model_dump_json()))
        take_over(state, row, events, larger_budget=larger_budget)
        return await self._carry_out(state, built, opening(spec, kept), resumed=events, told=told)

    async def _carry_out(
        self, state: RunState, built: Built, message: Message, *,
        resumed: Sequence[ev.Event] | None = None, told: bool = False,
    ) -> Result:  # fmt: skip
        """The result, once there is nothing more to do; it may be that the run waits for the user."""
        collector, sinks = collect(resumed or ()), state.sinks
        for event in () if told else resumed or ():
            state.tell(event)
        state.sinks = [collector, *sinks]
        for notice in built.notices:
            state.notice(notice)
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.create_task(self._shared.tidy())
        work = conduct(state, built.member, message, pattern=built.pattern, resumed=resumed)
        try:
            answer = await self._at_work.outcome(state.id, work, state.log)
        finally:
            self._shared.ended(state)
        result = collector.result(data=answer.data if answer else None)
        result = result.model_copy(update={"notices": tuple(state.notices)})
        if result.status != "needs_input":
            return result
        pending = await self._shared.questions.pending(state.id)
        if {one.id for one in pending if one.answer} - {one.id for one in state.unanswered if one.answer}:
            row = await self._runs.find(state.id)  # others were still at work when the answer came
            spec = RunSpec.model_validate_json(row.spec)
            anew = await self._shared.state(
                row.id, spec, state.meter.budget, built.agents, sinks=sinks, on_text=state.on_delta,
                human=state.human,
            )  # fmt: skip
            with suppress(RunRefused):  # who answered was quicker
                return await self._go_on(anew, row, spec, built, told=True)
        return result.model_copy(update={"questions": OpenQuestion.of(pending)})

    async def _built(self, spec: RunSpec, member: Member | None) -> Built:
        await self.catalog.ready()
        project = Path(spec.project)
        library = self.library if project == self.project else Library(project, self.home)
        tools = project_tools(project)
        builder = TeamBuilder(library, self.catalog, tools, spec.model, preference=spec.preference)
        return build(spec, builder, member)

    async def _stop(self, *, interrupt: bool) -> None:
        """Have what is at work end, and wait for that."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
        await self._at_work.stop(interrupt=interrupt)


def _listed(options: RunOptions) -> Sequence[str | Path | Attachment]:
    files = options.get("files", ())
    return [files] if isinstance(files, str | Path | Attachment) else files
