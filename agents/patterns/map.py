"""What is too long for one member is read by many at once, and one makes an answer of what they found."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from guildhall.errors import Failure, TooFew

from ..division import PART, Division, Share, divided
from ..kinds import Wanted
from ..message import Message
from ..run import Member, Run
from ..spec_types import SYNTHESIZER, Cast, Name, TeamSpec, Wrong
from ..windows import shown, window_of
from .briefing import also
from .reducing import reduced
from .together import Part, all_answers, check_count, check_members, contributed, failed, reasons

LEAST_WINDOW, MOST_WINDOW = 1_000, 100_000_000
MOST_CUTS = 4
"""How often a part is cut once more where it is too long for the model after all."""
_TOO_LONG = "too long"


class _Task(NamedTuple):
    """A part of the material, as one member is given it."""

    number: str
    share: Share
    message: Message

    @property
    def label(self) -> str:
        return f"part {self.number} ({self.share.place})"


class _Found(NamedTuple):
    """What came of a part."""

    task: _Task
    answer: Message

    @property
    def place(self) -> str:
        return f"part {self.task.number} ({', '.join(self.task.share.places)})"


@dataclass(frozen=True)
class Map:
    """The material is divided into parts that its readers can take, who work on them at once; the
    synthesizer makes one answer of all that they found, with its sources.

    What fits as it is goes to the first member alone. No part is left out silently: one that could not be
    worked on is named in the answer, with its files and lines.
    """

    name: str
    members: Sequence[Member]
    """They take turns over the parts; one member alone reads them all."""
    synthesizer: Member
    window: int | None = None
    """Tokens that one member takes at once, its instructions included; by default, what its models take."""
    part: int | None = None
    """Tokens of the material in one part, at most; by default, as many as there is room for."""

    def __post_init__(self) -> None:
        check_members(self.name, self.members)
        check_members(self.name, [self.synthesizer])
        for what, given in (("window", self.window), ("part", self.part)):
            if given is not None:
                check_count(self.name, what, given, MOST_WINDOW, least=LEAST_WINDOW)

    @property
    def parts(self) -> Sequence[Part]:
        return [*map(Part, self.members), Part(self.synthesizer, "synthesizer")]

    def parts_for(self, message: Message) -> Sequence[Part]:
        """Who takes part in working on this message, how often, and with how much of it."""
        division = self._divided(message, None)
        if not (many := len(division.shares)):
            return [Part(self.members[0])]
        longest = max(division.shares, key=lambda share: sum(map(shown, share.quotes)))
        given = _task(division, str(many), longest).message
        turns = Counter(number % len(self.members) for number in range(many))
        readers = [Part(self.members[at], times=n, given=given, usual=n) for at, n in turns.items()]
        # it may have to work in groups, each of which fits into its window, as the longest part does
        return [*readers, Part(self.synthesizer, "synthesizer", many + 1, given)]

    async def run(self, message: Message, run: Run) -> Message:
        division = await asyncio.to_thread(self._divided, message, run.wanted)
        if division.shares:
            return await self._mapped(division, run)
        try:
            return await run.give(self.members[0], message, wanted=run.wanted)
        except Failure as error:  # it may be longer for this model than by the estimate
            if error.kind != "context" or division.tokens < 2 * LEAST_WINDOW:
                raise
            half = division.tokens // 2
            division = await asyncio.to_thread(self._divided, message, run.wanted, part=half)
            if not division.shares:
                raise
        return await self._mapped(division, run)

    async def _mapped(self, division: Division, run: Run) -> Message:
        """The synthesizer's answer from what was found in each share, with those that nobody could read."""
        tasks = [_task(division, str(number), share) for number, share in enumerate(division.shares, 1)]
        plan = [
            {"id": f"part-{task.number}", "who": self._reader(at).name, "task": task.label, "needs": []}
            for at, task in enumerate(tasks)
        ]
        reason = f"there are about {division.tokens:,} tokens to read"
        run.decided("plan", f"{len(tasks)} parts", reason, data=plan)
        found = [one for part in await self._found(tasks, division, run) for one in part]
        good = [one.answer for one in found if not one.answer.failed]
        gaps = [one for one in found if one.answer.failed]
        for gap in gaps:
            run.state.notice(f"{gap.place} could not be worked on: {gap.answer.as_quote().text}")
        if not good:
            why = reasons([gap.answer for gap in gaps])
            raise TooFew(f"none of {len(found)} parts could be worked on: {why}")
        window = self.window or window_of(self.synthesizer)
        given = division.message.with_quotes(*(gap.answer.as_quote() for gap in gaps))
        answer = await reduced(given, good, run, synthesizer=self.synthesizer, window=window)
        text = "\n".join([answer.text, "", *(f"Not worked on: {gap.place}." for gap in gaps)])
        return answer.model_copy(update={"text": text}) if gaps else answer

    def _divided(self, message: Message, wanted: Wanted | None, part: int | None = None) -> Division:
        window = self.window or min(map(window_of, self.members))
        return divided(
            message, self.members, window=window, part=part or self.part, brief=_READ, wanted=wanted
        )

    def _reader(self, at: int) -> Member:
        return self.members[at % len(self.members)]

    async def _found(
        self, tasks: Sequence[_Task], division: Division, run: Run, cuts: int = MOST_CUTS
    ) -> list[list[_Found]]:
        """What came of each part; there are several of one that had to be cut once more."""
        given = [
            _marked(contributed(run, self._reader(at), task.message, name=f"part-{task.number}"), task)
            for at, task in enumerate(tasks)
        ]
        answers = await all_answers(given, [task.label for task in tasks])
        found = [[_Found(*pair)] for pair in zip(tasks, answers, strict=True)]
        smaller: dict[int, list[_Task]] = {}
        for at, task in enumerate(tasks):
            too_long = answers[at].failed and answers[at].data is _TOO_LONG
            shares = task.share.halved() if too_long and cuts else []
            if shares:
                numbers = (f"{task.number}-{number}" for number in range(1, len(shares) + 1))
                smaller[at] = [_task(division, *pair) for pair in zip(numbers, shares, strict=True)]
                run.decided("step", f"{task.label} in {len(shares)}", "it is too long for the model")
        if smaller:
            halves = [half for halved in smaller.values() for half in halved]
            deeper = iter(await self._found(halves, division, run, cuts - 1))
            for at, halved in smaller.items():
                found[at] = [one for _ in halved for one in next(deeper)]
        return found


class MapSpec(TeamSpec):
    """What is too long for one member is divided among all of them; the synthesizer joins what they found."""

    ROLES: ClassVar[tuple[str, ...]] = ("synthesizer",)

    pattern: Literal["map"] = "map"
    synthesizer: Name = SYNTHESIZER
    window: Annotated[int, Field(ge=LEAST_WINDOW, le=MOST_WINDOW)] | None = None
    """Tokens that one member takes at once; by default, half of what the smallest of its models takes."""
    part: Annotated[int, Field(ge=LEAST_WINDOW, le=MOST_WINDOW)] | None = None
    """Tokens of one part of the material, at most."""

    @model_validator(mode="after")
    def _part_fits(self) -> Self:
        if self.part and self.window and self.part > self.window:
            raise Wrong("part", f"{self.part} tokens do not fit into the window of {self.window}")
        return self

    def made(self, cast: Cast) -> Member:
        members, synthesizer = cast.members(), cast.filled("synthesizer")
        return Map(self.name, members, synthesizer, self.window, self.part)


def _task(division: Division, number: str, share: Share) -> _Task:
    names = {"number": number, "many": len(division.shares), "part": PART}
    brief, person = _READ.format(**names), _READ_IN_PERSON.format(**names)
    message = also(division.message, brief, share.told, *share.quotes, person=person)
    return _Task(number, share, message.model_copy(update={"attachments": share.files}))


async def _marked(giving: Coroutine[Any, Any, Message], task: _Task) -> Message:
    """The answer as one on this part; with a mark, if the part was too long for the model."""
    try:
        answer = await giving
    except Failure as error:
        if error.kind != "context":
            raise
        return failed(task.label, error).model_copy(update={"data": _TOO_LONG})
    return answer.model_copy(update={"sender": task.label})


_READ = """\
All that there is to read is too long for one reader, so it was divided into {many} parts, and colleagues read
the others at the same time. You have part {number}; the task `{part}` says where in the files it stands.
Headings above it are shown with it.
Give everything in your part that bears on the task, each finding with its source in brackets and with its
names and figures as they stand there; say where something goes on beyond your part. Do not guess what the
other parts say. If yours holds nothing for the task, say just that."""
_READ_IN_PERSON = """\
What there is to read is divided into {many} parts, and others read the rest. Yours is part {number}; where \
it stands is shown as {part}. Say what stands there that bears on the task."""
