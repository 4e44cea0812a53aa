"""What a run wants of the host: that it asks the user, or its own model."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_REQUEST,
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageResult,
    ElicitRequest,
    ElicitResult,
)
from pydantic import ValidationError

Request = ElicitRequest | CreateMessageRequest
Answer = ElicitResult | CreateMessageResult
Send = Callable[[Request], Awaitable[Answer]]
ANSWERS: Mapping[str, type[Answer]] = {
    "elicitation/create": ElicitResult,
    "sampling/createMessage": CreateMessageResult,
}
"""What the host answers to a request of that method."""


@dataclass(frozen=True)
class Abilities:
    """What the host can be asked for; all that it declared."""

    user: bool = False
    model: bool = False

    @classmethod
    def of(cls, declared: ClientCapabilities | None) -> "Abilities":
        if declared is None:
            return cls()
        asks = declared.elicitation
        forms = asks is not None and (asks.form is not None or asks.url is None)  # older hosts declare {}
        return cls(user=forms, model=declared.sampling is not None)


@dataclass
class Asks:
    """The open requests of one run; whichever call of the host waits for the run puts them.

    What was put stays with the host when that call is over: its answer counts whenever it comes.
    """

    abilities: Abilities = Abilities()
    """Those of the host that last called for the run."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _open: dict[str, tuple[Request, "asyncio.Future[Answer]"]] = field(default_factory=dict)
    _put: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def ask(self, request: Request) -> Answer:
        """The host's answer, however many calls come and go until then."""
        id_ = f"ask-{next(self._numbers)}"
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._open[id_] = request, answer
        self.changed.set()
        try:
            return await answer
        finally:
            self._open.pop(id_, None)
            if put := self._put.pop(id_, None):
                put.cancel()  # nobody needs its answer any more, which the host is told

    def open(self) -> dict[str, Request]:
        """What nobody has answered yet, by its id."""
        return {id_: request for id_, (request, answer) in self._open.items() if not answer.done()}

    def put(self, send: Send, *, but: Container[str] = ()) -> set[str]:
        """Put to a host what is open and with no host yet; the ids of that."""
        new = {id_: one for id_, one in self.open().items() if id_ not in self._put and id_ not in but}
        for id_, request in new.items():
            self._put[id_] = asyncio.create_task(self._answered(id_, request, send))
        return {*new}

    async def _answered(self, id_: str, request: Request, send: Send) -> None:
        """Have a request that was put end as its host has it end; it is open again if that host has gone."""
        try:
            self.answer({id_: await send(request)})
        except MCPError as error:
            if error.code != CONNECTION_CLOSED:
                self._refused(id_, request, error)
        except ValidationError:
            self._refused(id_, request, MCPError(INVALID_REQUEST, "its answer is none that can be read"))
        finally:
            self._put.pop(id_, None)
            self.changed.set()

    def _refused(self, id_: str, request: Request, error: MCPError) -> None:
        if isinstance(request, CreateMessageRequest):
            self.fail(id_, error)
        else:
            self.answer({id_: ElicitResult(action="cancel")})

    def answer(self, answers: Mapping[str, Any]) -> None:
        """Take the host's answers, as models or as JSON. What is of no use, or comes late, is left out."""
        for id_, given in answers.items():
            request, answer = self._open.get(id_, (None, None))
            if request is not None and answer is not None and not answer.done():
                wanted = ANSWERS[request.method]
                with contextlib.suppress(ValidationError):
                    answer.set_result(wanted.model_validate(given))

    def fail(self, id_: str, error: Exception) -> None:
        """Have the request end with an error of the host."""
        _, answer = self._open.get(id_, (None, None))
        if answer is not None and not answer.done():
            answer.set_exception(error)
