"""Many episodes become few facts, which link to them: by a model, when somebody asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from guildhall.errors import BudgetRefused, Failure, UserError, describe
from guildhall.memory.consolidating import CONSOLIDATED
from guildhall.memory.records import Hit, Record

from .agent import Agent
from .budget import Budget
from .choosing import may_see_private
from .commission import Built
from .course import gist
from .estimate import estimated
from .kinds import Kind, Named, Wanted
from .message import Frozen, Message, memory_quote
from .patterns.together import Part, typed
from .remembering import stored
from .result import Result
from .rules import Rules
from .run import Run

if TYPE_CHECKING:
    from .hall import Hall

NAME, TASK = "consolidation", "Make facts of what was remembered of single runs."
NO_LLM = (
    "to make facts of episodes needs an LLM, and only the built-in extractive model is here: set "
    "ANTHROPIC_API_KEY or OPENAI_API_KEY, or name a compatible server in GUILDHALL_BASE_URL"
)


class Fact(Kind):
    """Something that several episodes show, and that holds beyond them."""

    text: str
    """It has to be understood by itself."""
    kind: Literal["fact", "decision", "procedure", "preference"]
    subject: str
    """What it is about, in a word or a few such as `db.engine`; empty where it has no such name."""
    sources: Annotated[tuple[Named, ...], Field(min_length=1)]
    """The labels of the episodes that show it."""


class Facts(Kind):
    """What is to be remembered of some episodes."""

    facts: Annotated[tuple[Fact, ...], Field(max_length=10)]

    def said(self) -> str:
        lines = (f"- {one.text} {' '.join(f'[{label}]' for label in one.sources)}" for one in self.facts)
        return "\n".join(lines) or "nothing holds beyond the single episodes"


class Made(Frozen):
    """A fact that was remembered."""

    id: str
    text: str
    subject: str = ""
    sources: tuple[str, ...] = ()
    """The ids of the episodes that it links to."""
    merged: bool = False
    """Whether it was known already."""
    conflicts: tuple[str, ...] = ()


class Consolidated(Frozen):
    """What has become of the groups of episodes."""

    facts: tuple[Made, ...] = ()
    failed: tuple[str, ...] = ()
    """Why there are none of a group."""


class Waiting(Frozen):
    """Episodes about the same, of which facts would be made."""

    episodes: tuple[str, ...]
    """Their ids."""
    says: str
    """How the newest of them begins."""


class Consolidation(Frozen):
    """What was done, or would be."""

    groups: tuple[Waiting, ...] = ()
    model: str = ""
    usd: float | None = None
    """The most that it can cost, where nothing was done; None where the price is not known."""
    result: Result | None = None
    """None: nothing was done."""

    @property
    def made(self) -> Consolidated:
        data = self.result.data if self.result is not None else None
        return data if isinstance(data, Consolidated) else Consolidated()


async def consolidate(
    hall: "Hall", *, write: bool = False, budget: Budget | None = None, model: str | None = None
) -> Consolidation:
    """What facts would be made of, and at what cost at most; with `write`, they are made within the budget.

    Episodes stay as they are; those of which facts were made are not looked at again. Raises UserError where
    there is no LLM to write.
    """
    await hall.catalog.ready()
    groups = await hall.memory.episodes(scope=hall.scope)
    models = hall.catalog.models_for(model, default="balanced", seat=0)
    agent = Agent("consolidator", _INSTRUCTIONS, models)
    by = agent.models[0].name
    told = tuple(
        Waiting(episodes=tuple(one.id for one in group), says=gist(group[-1].text, 160)) for group in groups
    )
    if not groups:
        return Consolidation(model=by)
    member = Consolidator(agent, groups)
    if not write:
        built = Built(member, "", "", Budget(), (), (agent,))
        most = estimated(built, Message(text=TASK), budget or Budget(), hall.catalog.prices, {})
        return Consolidation(groups=told, model=by, usd=most.usd)
    if by == "extractive":
        raise UserError(NO_LLM)
    result = await hall.run_team(member, TASK, budget=budget)
    return Consolidation(groups=told, model=by, result=result)


@dataclass(frozen=True)
class Consolidator:
    """Has its agent look at one group after the other, and remembers what it finds."""

    agent: Agent
    groups: Sequence[Sequence[Record]]
    name: str = NAME
    rules: Rules = field(default=Rules(remembers=False))

    @property
    def parts(self) -> Sequence[Part]:
        longest = max(map(_message, self.groups), key=lambda one: sum(len(q.text) for q in one.quotes))
        return [Part(self.agent, times=len(self.groups), given=longest)]

    async def run(self, message: Message, run: Run) -> Message:
        made: list[Made] = []
        failed: list[str] = []
        for number, group in enumerate(self.groups, 1):
            try:
                made += await self._of(group, run)
            except BudgetRefused as refused:
                left = len(self.groups) - number + 1
                failed.append(f"the budget has no room for {left} of {len(self.groups)} groups: {refused}")
                break
            except Failure as error:
                failed.append(f"group {number}: {describe(error)}")
        for why in failed:
            run.state.notice(why)
        if failed and not made:
            raise Failure(failed[0])
        text = "\n".join(f"- {one.text} [memory:{one.id[:8]}]" for one in made) or "No facts were found."
        return run.answer(message, text, data=Consolidated(facts=tuple(made), failed=tuple(failed)))

    async def _of(self, group: Sequence[Record], run: Run) -> list[Made]:
        private = any(one.private for one in group)
        if private and not (run.trusted and may_see_private(self.agent, unknown=False)):
            raise Failure("its episodes are private, and the model is not marked private", kind="private")
        ids = {one.label: one for one in group}
        answer = await run.give(self.agent, _message(group), wanted=Wanted(Facts, tuple(ids)))
        return [await self._remembered(one, ids, run) for one in typed(answer, Facts, tuple(ids)).facts]

    async def _remembered(self, fact: Fact, ids: dict[str, Record], run: Run) -> Made:
        """The fact as it is on disk: for whom its episodes are, and since when they are."""
        sources = [ids[label] for label in dict.fromkeys(fact.sources)]
        newest, here = sources[-1], run.span("fact")
        here.team = newest.author.team
        kept = await stored(
            here,
            fact.text,
            kind=fact.kind,
            subject=fact.subject.strip()[:200] or None,
            model=self.agent.models[0].name,
            agent=newest.author.agent if newest.visibility == "private" else self.agent.name,
            visibility=newest.visibility,
            derived_from=tuple(one.id for one in sources),
            tags=(CONSOLIDATED,),
            valid_from=max(one.valid_from for one in sources),
            private=any(one.private for one in sources),
        )
        made = tuple(one.id for one in sources)
        return Made(
            id=kept.id, text=fact.text, subject=fact.subject, sources=made, merged=kept.merged,
            conflicts=kept.conflicts,
        )  # fmt: skip


def _message(group: Sequence[Record]) -> Message:
    quotes = tuple(memory_quote(Hit(record=one, score=0.0)) for one in group)
    return Message(text=TASK, brief=_BRIEF, quotes=quotes)


_INSTRUCTIONS = (
    "You look after the memory of a team. Of many single episodes you make the few facts that those who work "
    "here later should know: certain, short, and each to be understood by itself."
)
_BRIEF = (
    "Episodes that are about the same are quoted, the oldest first. Say what holds beyond the single "
    "episode: facts, decisions that stand, ways of working that proved right or wrong, what people prefer. "
    "Where a later one contradicts an earlier one, the later one holds; say what it replaces only if that "
    "matters. Name for each the labels of the episodes that show it. Add nothing that none of them says; "
    "give none where nothing holds beyond one episode."
)
