"""The server with all that hosts can ask for beside its tools."""

import threading
from collections.abc import Iterable
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CompleteRequestParams,
    CompleteResult,
    EmptyResult,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    NotificationParams,
    PaginatedRequestParams,
    Resource,
    ResourceTemplate,
    SetLevelRequestParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from guildhall.clean import clean
from guildhall.errors import GuildhallError, UserError, describe

from . import resources
from .checked import CheckedServer
from .completions import completed
from .fixes import usable
from .jobs import Jobs
from .lazy import warm_up
from .prompts import prompt, prompts

Asked = ServerRequestContext[Jobs, Any]


class GuildhallServer(CheckedServer):
    """Resources, prompts and completions are worked out when they are asked for: teams are files."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        handle = self._lowlevel_server.add_request_handler  # the library has no other way for these
        handle("prompts/list", PaginatedRequestParams, self._prompts)
        handle("completion/complete", CompleteRequestParams, self._completed)
        handle("logging/setLevel", SetLevelRequestParams, _nothing)  # older hosts set it at their start
        handle("resources/subscribe", SubscribeRequestParams, _subscribed)
        handle("resources/unsubscribe", UnsubscribeRequestParams, _unsubscribed)
        handle("subscriptions/listen", SubscriptionsListenRequestParams, _listened)
        self._lowlevel_server.add_notification_handler(
            "notifications/initialized", NotificationParams, _initialized
        )
        self._lowlevel_server.middleware.append(_in_our_words)

    async def list_resources(self) -> list[Resource]:
        return [*resources.resources(), *await super().list_resources()]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        return resources.templates()

    async def read_resource(
        self, uri: Any, context: Context[Jobs, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        if context is not None:
            content = await resources.read(context.request_context.lifespan_context, str(uri))
            if content is not None:
                return [ReadResourceContents(content=content, mime_type=resources.JSON)]
        return await super().read_resource(uri, context)

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Jobs, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        assert context is not None, "hosts ask for prompts"
        return await prompt(context.request_context.lifespan_context, name, arguments or {})

    async def _prompts(self, ctx: Asked, _params: PaginatedRequestParams | None) -> ListPromptsResult:
        return ListPromptsResult(prompts=await prompts(ctx.lifespan_context))

    async def _completed(self, ctx: Asked, params: CompleteRequestParams) -> CompleteResult:
        found = await completed(ctx.lifespan_context, params.ref, params.argument)
        return CompleteResult(completion=found)


async def _in_our_words(ctx: Asked, call_next: CallNext) -> HandlerResult:
    """What goes wrong outside of a tool says what to do about it, too."""
    try:
        return await call_next(ctx)
    except GuildhallError as error:
        code = INVALID_PARAMS if isinstance(error, UserError) else INTERNAL_ERROR
        raise MCPError(code, usable(clean(describe(error)))) from None


async def _initialized(_ctx: Asked, _params: NotificationParams) -> None:
    threading.Thread(target=warm_up, daemon=True).start()


async def _nothing(_ctx: Asked, _params: SetLevelRequestParams) -> EmptyResult:
    return EmptyResult()


async def _subscribed(ctx: Asked, params: SubscribeRequestParams) -> EmptyResult:
    await ctx.lifespan_context.subscriptions.add(params.uri, ctx.session, ctx.lifespan_context)
    return EmptyResult()


async def _unsubscribed(ctx: Asked, params: UnsubscribeRequestParams) -> EmptyResult:
    ctx.lifespan_context.subscriptions.remove(params.uri, ctx.session)
    return EmptyResult()


async def _listened(ctx: Asked, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
    return await ctx.lifespan_context.subscriptions.listen(ctx, params)
