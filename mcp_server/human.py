"""The user, asked through the host: a form that it shows, in either era of the protocol."""

from typing import TYPE_CHECKING, Any

from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult

from guildhall.errors import UserError

from .asks import Asks

if TYPE_CHECKING:
    from guildhall.memory.store.questions import Question

TRIES = 3
"""Times that a form is shown whose answer is none of those that can be given."""
LONGEST_FORM = 8_000
"""Characters of a question that a form shows; the host has all of it in the result."""


class HostUser:
    """Puts the questions of a run to the user, where the host can; else nobody answers them now."""

    def __init__(self, asks: Asks) -> None:
        self._asks = asks

    async def __call__(self, question: "Question") -> str | None:
        """The user's answer; None where the host cannot ask, or the user has put the form away."""
        problem = ""
        for _ in range(TRIES if self._asks.abilities.user else 0):
            said = await self._asks.ask(_form(question, problem))
            if not isinstance(said, ElicitResult) or said.action == "cancel":
                return None
            if said.action == "decline":
                return question.unless_answered or None
            try:
                return question.fitting(str((said.content or {}).get("answer", "")))
            except UserError as error:
                problem = f"{error}\n\n"
        return None


def _form(question: "Question", problem: str) -> ElicitRequest:
    from guildhall.clean import clean

    text = clean(question.text)
    text = text if len(text) <= LONGEST_FORM else f"{text[:LONGEST_FORM]}…"
    answer: dict[str, Any] = {"type": "string", "title": "Answer", "minLength": 1}
    if question.options:
        answer["enum"] = list(question.options)
    return ElicitRequest(
        params=ElicitRequestFormParams(
            message=f"{problem}{clean(question.who)} asks: {text}",
            requested_schema={"type": "object", "properties": {"answer": answer}, "required": ["answer"]},
        )
    )
