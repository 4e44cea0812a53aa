"""After a run: what came of it is remembered, by rule, with where it came from."""

import hashlib
import re

from guildhall.errors import GuildhallError

from .message import Message, cited
from .run import Run

_CITES_MEMORY = re.compile(r"\[memory:[0-9a-f]{8}\]")


def outcome_subject(team: str, task: str) -> str:
    """What the outcome of that task by that team is remembered under."""
    digest = hashlib.blake2b(f"{team}\0{task}".encode(), digest_size=6).hexdigest()
    return f"outcome of {team} {digest}"


async def remember_outcome(run: Run, team: str, task: str, answer: Message) -> None:
    """Keep the task and its answer as an episode, in place of what came of the same task before.

    What came out of memory is not stored again, nor an extract that found nothing.
    """
    if run.state.memory is None:
        return
    lines = [line for line in answer.text.splitlines() if not _CITES_MEMORY.search(line)]
    said = "\n".join(lines).strip()
    if not said or (run.state.models == {"extractive"} and not cited(said)):
        return
    text = f"Task for {team}: {_cut(task, 600)}\nOutcome: {_cut(said, 2400)}"
    here = run.span("outcome", team)
    models = ", ".join(sorted({model for model in run.state.models if model}))
    try:
        await here.remember(
            text,
            kind="episode",
            subject=outcome_subject(team, task),
            model=models,
            source=f"run:{run.id}",
            tags=(f"team:{team}",),
        )
    except GuildhallError as error:
        run.state.notice(f"the outcome was not remembered: {error}")


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest].rstrip()} …"
