"""One run of a team: a tree of spans with deterministic paths, and the one place where models are asked.

Plain asyncio: its TaskGroup and timeout are all that is needed, and nothing that cleans up here ever awaits.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from guildhall.errors import BudgetRefused, Failure, NeedsInput, StoreError, describe
from guildhall.memory.records import Hit, Kind, Remembered
from guildhall.memory.store.questions import YES_OR_NO
from guildhall.redact import logger, redact

from . import asking, calling, choosing, questions, remembering
from . import event as ev
from .kinds import Contribution, Wanted
from .message import UNTOLD, Attachment, Message, ModelReply, ModelRequest, Quote, ToolCall
from .models.base import Model
from .rules import PLAIN
from .state import RunState
from .tool import Tool

log = logger(__name__)
_NOT_IN_NAMES = str.maketrans({"/": "-", ".": "-"})


class Member(Protocol):
    """An agent, a team, a human, a remote agent: whatever can be given a message."""

    @property
    def name(self) -> str: ...

    async def run(self, message: Message, run: "Run") -> Message: ...


class Run:
    """A span of a run. A team opens its members' spans with `give`, in an order free of timing."""

    __slots__ = (
        "_children", "_files", "_public", "path", "private", "rules", "shown", "state", "team", "trusted",
        "wanted", "who",
    )  # fmt: skip

    def __init__(self, state: RunState, path: str = "", who: str = "user") -> None:
        self.state, self.path, self.who = state, path, who
        self.team = ""
        """The team that whoever works here is given its work by."""
        self.private = False
        """Whether what is said here rests on private data."""
        self.trusted = True
        """Whether who works here may see private data that it was not given by the user."""
        self._public: set[str] = {UNTOLD}
        self._files: tuple[Attachment, ...] = ()
        self._children: Counter[str] = Counter()
        self.shown: list[Quote] = []
        """What was shown here."""
        self.wanted: Wanted | None = None
        """What the answer must be, where it must be more than text."""
        self.rules = PLAIN

    @property
    def id(self) -> str:
        return self.state.id

    @property
    def mark(self) -> str:
        """What stands around text quoted in this span; no text can foresee it."""
        return f"quoted-{self.digest(self.id, self.path)[:8]}"

    def span(self, name: str, who: str = "") -> "Run":
        """The next child of this name: `ask`, `ask.2`. `/` and `.` are for paths and give way."""
        name = name.translate(_NOT_IN_NAMES)
        self._children[name] += 1
        path = f"{self.path}/{name}" if self.path else name
        if (number := self._children[name]) > 1:
            path = f"{path}.{number}"
        span = Run(self.state, path, who or self.who)
        span.team, span.private, span.trusted = self.team, self.private, self.trusted
        return span

    def emit(self, kind: Callable[..., ev.Event], **fields: Any) -> int:
        """Tell the store and every sink, and return the event's id."""
        state = self.state
        event = kind(id=next(state.ids), run=state.id, path=self.path, who=self.who, at=time.time(), **fields)
        if state.log is not None:
            try:
                state.log.event(event.id, partial(ev.dumped, event))
            except StoreError as error:
                state.notice(f"part of this run could not be kept: {error}")
        state.tell(event)
        return event.id

    def stream(self, attempt: int, text: str) -> None:
        """Show a piece of the reply that is being written; it is not stored."""
        if (show := self.state.on_delta) is not None:
            try:
                show(self.path, attempt, text)
            except Exception:
                log.exception("a face failed to show text; the run goes on")

    def decided(self, what: ev.Choice, choice: str, reason: str = "", **more: Any) -> int:
        """Say what was chosen and why; `more` can be `evidence` (event ids) and `data`."""
        return self.emit(ev.Decided, what=what, choice=choice, reason=reason, **more)

    # -- members

    def give(
        self,
        member: Member,
        message: Message,
        *,
        name: str = "",
        wanted: Wanted | None = None,
        marked: bool = False,
    ) -> Coroutine[Any, Any, Message]:
        """The member's answer, which must be as `wanted`. It is started now, before anything is awaited.

        A member that is a team passes what is wanted on to whoever has the last word in it. Once private
        data was seen here, whatever is new in a message counts as private, unless it is `marked` already:
        where others are at work meanwhile, who is quicker must not decide on that.
        """
        if self.private and not marked:
            message = choosing.marked(message, self._public, self._files)
        span = self.span(name or member.name, member.name)
        span.team, span.wanted = self.who if self.path else "", wanted
        models = {model.name: model for model in getattr(member, "models", ()) if hasattr(model, "complete")}
        self.state.team_models |= models
        about = {"task": message.text, "brief": message.brief, "sources": message.sources}
        span.emit(ev.Started, role=getattr(member, "role", ""), models=tuple(models), **about)
        return self._given(span, member, message)

    async def _given(self, span: "Run", member: Member, message: Message) -> Message:
        try:
            answer = await span._work(member, message)  # noqa: SLF001  a span of ours
        except BaseException as error:
            self._noted(describe(error), private=span.private)
            raise
        self._noted(answer.text, private=span.private or answer.private)
        return answer

    def _noted(self, text: str, *, private: bool) -> None:
        self.private |= private
        if not private:
            self._public.add(text)

    async def _work(self, member: Member, message: Message) -> Message:
        self.trusted = self.trusted and choosing.may_see_private(member)
        kept_back = choosing.kept_back(member, message, trusted=self.trusted)
        self.state.withheld(quote.label for quote in kept_back if quote.private)
        message = message.without(kept_back)
        self.private, self._files = bool(message.private_parts), message.attachments
        self._public |= {quote.text for quote in message.quotes if not quote.private}
        if not message.private:
            self._public.add(message.text)
        try:
            if self.path.count("/") >= self.state.meter.budget.depth:
                raise BudgetRefused(
                    f"{self.path} is deeper than the {self.state.meter.budget.depth} levels allowed; "
                    "raise the budget of depth, or nest fewer teams"
                )
            answer = await member.run(message, self)
            if not isinstance(answer, Message):
                raise Failure(f"{member.name} answered with {answer!r:.80}, which is no Message")
            answer = self._checked(answer, from_model=hasattr(member, "models"))
            if isinstance(answer.data, Contribution):
                self.state.contributions[self.path] = answer.data
        except BaseException as error:
            self._failed(_outcome(error), describe(error))
            vars(error)["private"] = self.private  # it may quote what was seen here
            raise
        self.emit(ev.Finished, outcome="answered", text=answer.text, sources=answer.sources)
        return answer

    def _failed(self, outcome: ev.Outcome, text: str) -> None:
        finished = partial(self.emit, ev.Finished)
        finished(outcome=outcome, text=text)
        if outcome == "waiting":  # until it is called off
            self.state.waiting[self.path] = partial(finished, outcome="cancelled", text="cancelled")

    def _checked(self, answer: Message, *, from_model: bool) -> Message:
        """The answer without secrets, which what models say is already, private where it must be, and by
        whoever was asked: what a team has its synthesizer say is the answer of the team.

        Raises Failure for a message that says of itself that it is an error, or says nothing.
        """
        text = answer.text if from_model else redact(answer.text)
        if answer.failed:
            raise Failure(text, kind="member")
        if not text.strip() and answer.data is None:
            raise Failure("the answer is empty", kind="bad_response")
        whole = {"text": text, "private": answer.private or self.private}
        whole |= {"sender": self.who, "type": "response"}
        if all(getattr(answer, name) == value for name, value in whole.items()):
            return answer
        return answer.model_copy(update=whole)

    def answer(
        self, message: Message, text: str, *, data: Any = None, sources: tuple[int, ...] = ()
    ) -> Message:
        """A reply to `message` by the member whose span this is."""
        return Message(
            id=self.path,
            sender=self.who,
            receiver=message.sender,
            type="response",
            text=text,
            data=data,
            sources=sources,
            reply_to=message.id or None,
            priority=message.priority,
            private=self.private,
        )

    def said(self, answer: Message, to: Member, *others: Member) -> None:
        """Note that what one member said goes to another, or to several."""
        told, also = f"{answer.sender}: {answer.text}", tuple(one.name for one in others)
        self.emit(ev.Said, to=to.name, also=also, type=answer.type, text=told, sources=answer.sources)

    async def first(self, running: "Mapping[str, asyncio.Task[Any]]") -> str:
        """The name of the task that ends first; on a resumed run, the same name again.

        Where members work side by side, nothing but this may depend on who is quicker.
        """
        here, digest = self.span("first"), self.digest(*sorted(running))
        known = here.recorded(digest)
        if known in running:
            await asyncio.wait([running[known]])
            return str(known)
        done, _ = await asyncio.wait(running.values(), return_when=asyncio.FIRST_COMPLETED)
        name = next(name for name, task in running.items() if task in done)
        await here.record(digest, name, wait=False)
        return name

    # -- models

    def choose(self, models: Sequence[Model], message: Message) -> Sequence[Model]:
        """The models in the order in which they suit what is asked, where that is open; it is told."""
        state = self.state
        ordered, ranking = choosing.chosen(
            models, message, prices=state.prices, track=state.track, priced=state.meter.budget.strict
        )
        if ranking is not None and len(models) > 1:
            self.decided("model", ranking.choice, ranking.reason, data=ranking.data)
        return ordered

    async def ask(self, models: Sequence[Model], request: ModelRequest, *, priority: int = 0) -> ModelReply:
        """The reply to `request`: from the journal or cache if it is there, else of the first that answers.

        Where limits make calls wait, those of a higher `priority` go first.
        """
        return await asking.ask(self.span("ask"), models, request, priority)

    def show(self, quotes: Sequence[Quote]) -> None:
        """Note what a member is shown, so that what it cites can be traced."""
        self.shown += quotes
        self.private |= any(quote.private for quote in quotes)
        for quote in quotes:
            parts = self.state.shown.setdefault(quote.label, [])
            if quote not in parts:
                parts.append(quote)

    # -- tools

    def call(
        self, tool: Tool, call: ToolCall, *, reply: ModelReply, inputs: tuple[int, ...] = ()
    ) -> "Coroutine[Any, Any, calling.ToolResult]":
        """What the tool answers; from the journal if it was called before.

        `reply` is the one that asked for it, `inputs` the events that it worked from. The span is
        opened here and now.
        """
        return self._used(self.span(f"tool:{tool.name}"), tool, call, reply, inputs)

    async def _used(self, span: "Run", *about: Any) -> calling.ToolResult:
        result = await calling.used(span, *about)
        self.private |= result.private
        return result

    # -- the user

    async def question(
        self, text: str, *, options: Sequence[str] = (), timeout: float | None = None,  # noqa: ASYNC109  as below
    ) -> str | None:  # fmt: skip
        """What the user answers, one of the `options` if there are any; None if nobody does in time.

        There are `timeout` seconds for it, a day if not said, restarts of the process included. Raises
        NeedsInput where nobody is there: the run pauses, and comes back here when it is answered.
        """
        return (await questions.asked(self.span("question"), text, options, timeout)).text

    async def approved(self, text: str, *, timeout: float | None = None) -> bool:  # noqa: ASYNC109  it outlives the process
        """Whether the user says yes; who says nothing in time says no."""
        return await self.question(text, options=YES_OR_NO, timeout=timeout) == "yes"

    # -- memory

    async def recall(self, query: str, *, limit: int = 5, private: bool = False, **filters: Any) -> list[Hit]:
        """What memory knows of the query, but for what this run remembered; nothing if it cannot be read.

        Filters are those of Memory.recall; who works here sees what it may.
        """
        return await remembering.recalled(self, query, limit=limit, private=private, **filters)

    async def remember(
        self, text: str, *, kind: Kind = "fact", subject: str | None = None, model: str = "", **more: Any
    ) -> Remembered:
        """What became of the text; it is not remembered twice, nor what memory had told this run."""
        return await remembering.remembered(self, text, kind=kind, subject=subject, model=model, **more)

    # -- the journal

    @staticmethod
    def digest(*parts: str) -> str:
        """Stands for what is asked in the journal."""
        return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def recorded(self, digest: str) -> Any:
        """What the journal knows of this path; an answer to another question is not used, and said."""
        if self.state.log is None or (entry := self.state.log.known(self.path)) is None:
            return None
        if entry.digest != digest:
            self.state.log.drop(self.path)
            self.decided("journal", "asked anew", "what is asked here differs from what was recorded")
            return None
        return entry.value

    async def record(self, digest: str, value: Any, *, wait: bool = True) -> None:
        """Return when it is on disk. A disk that fails costs the record, not the paid answer.

        What costs nothing to find anew need not be waited for: it is there before the next record.
        """
        if self.state.log is None:
            return
        try:
            if wait:
                await self.state.log.record(self.path, digest, value)
            else:
                self.state.log.record_soon(self.path, digest, value)
        except StoreError as error:
            self.state.notice(f"part of this run could not be kept, so it cannot be resumed: {error}")


def _outcome(error: BaseException) -> ev.Outcome:
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return "waiting" if isinstance(error, NeedsInput) else "failed"
