"""Who may answer what a run asks: the person, by way of a view or of a host that says so, never a model."""

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context
from mcp_types import ClientCapabilities

from guildhall.errors import RunRefused, UserError

from .jobs import Job

if TYPE_CHECKING:
    from guildhall.agents.hall import Hall

DECLARES = "io.github.guildhall/answers"
"""The extension, or experimental capability, by which a host declares that answers over `get_run` are its
user's own: with `{"by": "user"}`."""
PROOF = 16
"""Signs that only what is shown to the user has behind the id of a question."""
_KEY = secrets.token_bytes(32)


def for_the_user(job: Job, after: int) -> dict[str, Any]:
    """What a view shows of the run after that patch. No model reads it: who answers there is a person.

    The names of questions have a proof of that behind them.
    """
    patch: dict[str, Any] = {**job.view.since(after)}
    if "items" in patch:
        return patch | {"items": [_proven(job.id, item) for item in patch["items"]]}
    return patch | {"ops": [[*op[:2], _proven(job.id, op[2])] for op in patch["ops"]]}


def _proven(run: str, item: Any) -> Any:
    """The item; a question with its proof."""
    if isinstance(item, dict) and "name" in item and "options" in item:
        return item | {"name": f"{item['name']}.{_proof(run, item['name'])}"}
    return item


def check_is_the_users(ctx: Context[Any, Any], job: Job, question: str) -> None:
    """Raise UserError where nothing shows that the answer is the user's own."""
    id_, _, proof = question.partition(".")
    if _is_declared(ctx.client_capabilities) or _is_same(proof, _proof(job.id, id_)):
        return
    raise UserError(
        "nothing was answered: only the user may, and a model may not do it for them. Show the user the "
        f"question and this command for a terminal: `guildhall answer {job.id[:12]} "
        f"{_named(id_) + ' ' if id_ else ''}TEXT`; then call get_run again"
    )


async def check_is_no_repeat(hall: "Hall", job: Job, question: str) -> None:
    """Raise RunRefused for an answer to nothing that is asked, or that was given before, or may be meant for
    what was asked before.

    A host that has given up a call makes it again, and the run may ask something else by then.
    """
    from guildhall.agents import event as ev

    id_, run = _named(question.partition(".")[0]), job.id[:12]
    still = [one.id for one in await hall.questions(job.id)]
    if id_ and any(one.startswith(id_) for one in still):
        return
    events = await hall.events(job.id)
    asked = {event.id: event.name for event in events if isinstance(event, ev.Question)}
    given = [event for event in events if isinstance(event, ev.Answered) and event.by == "user"]
    answered = [name for one in given if (name := asked.get(one.question, "")).startswith(id_)]
    if answered and still and not id_:
        raise RunRefused(
            f"nothing was answered: run {run} has had an answer before, so name what this one is for: "
            f"get_run(run_id={run!r}, question={still[0]!r}, answer=…)"
        )
    if answered:
        raise RunRefused(
            f"nothing was answered: question {answered[-1]} of run {run} is answered already; "
            f"get_run(run_id={run!r}) waits on"
        )
    if not still:
        status = (await hall.find(job.id)).status
        raise RunRefused(
            f"nothing was answered: run {run} asks nothing: it is {status}; get_run(run_id={run!r}) shows it"
        )
    if id_:
        raise RunRefused(
            f"nothing was answered: run {run} asks nothing of that id; what is open: {', '.join(still)}"
        )


def _named(question: str) -> str:
    """The id as it is compared with those of open questions."""
    return question.strip().casefold()


def _is_same(one: str, other: str) -> bool:
    """Whether both are the same, in the same time wherever they differ."""
    return hmac.compare_digest(one.encode(errors="replace"), other.encode())


def _is_declared(capabilities: ClientCapabilities | None) -> bool:
    known = capabilities or ClientCapabilities()
    said = (known.extensions or {}).get(DECLARES) or (known.experimental or {}).get(DECLARES) or {}
    return said.get("by") == "user"


def _proof(run: str, question: str) -> str:
    return hmac.new(_KEY, f"{run} {question}".encode(), hashlib.sha256).hexdigest()[:PROOF]
