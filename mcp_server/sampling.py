"""The host's own model, where it offers it: no key is needed, and what it uses is not told."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp.shared.exceptions import MCPError
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    SamplingMessage,
    TextContent,
)

from guildhall.errors import ProviderError
from guildhall.hosts import ASKED

from .jobs import current

if TYPE_CHECKING:
    from guildhall.agents.message import ModelReply, ModelRequest, Turn
    from guildhall.agents.models.base import OnText

NAME = "host:model"
_INSTEAD = f"set {' or '.join(ASKED)}, or name another model in the configuration"
_REFUSED = f"the host did not have its model answer ({{}}): have the user allow it, or {_INSTEAD}"


@dataclass(frozen=True)
class HostModel:
    """Asks the host that called for the run to have its model answer, which it may show its user first.

    It takes text and gives text: members have no tools on it.
    """

    name: str = NAME

    async def complete(self, request: "ModelRequest", on_text: "OnText") -> "ModelReply":
        from guildhall.agents.message import ModelReply

        job = current.get(None)
        if job is None or not job.asks.abilities.model:
            raise ProviderError(
                "auth", f"no host is there that lends its model: {_INSTEAD}",
                sent=False,
            )  # fmt: skip
        try:
            said = await job.asks.ask(_request(request))
        except MCPError as error:
            raise ProviderError("refused", _REFUSED.format(error.error.message)) from None
        if not isinstance(said, CreateMessageResult) or not isinstance(said.content, TextContent):
            raise ProviderError("bad_response", _REFUSED.format("it gave no text"))
        text = said.content.text
        if said.stop_reason == "maxTokens":
            raise ProviderError("max_tokens", "the reply of the host's model was cut", partial=text)
        on_text(text)
        return ModelReply(text=text, usage=None, model=f"host:{said.model}")


def _request(request: "ModelRequest") -> CreateMessageRequest:
    from guildhall.agents.models.sending import in_words, system_text

    system = system_text(request)
    if request.output is not None:
        system = f"{system}\n\n{in_words(request.output)}".strip()
    return CreateMessageRequest(
        params=CreateMessageRequestParams(
            messages=[_message(turn) for turn in request.turns if turn.role != "system"],
            system_prompt=system or None,
            max_tokens=request.max_output,
            include_context="none",
        )
    )


def _message(turn: "Turn") -> SamplingMessage:
    content = TextContent(text=turn.prompt())
    return SamplingMessage(role="assistant" if turn.role == "assistant" else "user", content=content)
