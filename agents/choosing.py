"""Which models may be asked, and in which order."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from guildhall.errors import ProviderError
from guildhall.memory.store.track import Tally

from .message import Attachment, Message, ModelRequest, Quote
from .models.base import Model
from .models.clients import is_local
from .models.router import Candidates, Ranking
from .prices import Prices

if TYPE_CHECKING:
    from .run import Run

Chosen = tuple[Sequence[Model], Ranking | None]
"""Models in the order in which they are asked, and why; None where nothing was open."""


def chosen(
    models: Sequence[Model],
    message: Message,
    *,
    prices: Prices,
    track: Mapping[str, Tally],
    priced: bool,
) -> Chosen:
    """The models in the order in which they suit what is asked.

    Of candidates, those that may not see the message are left out, and with `priced` those without a price.
    """
    if not isinstance(models, Candidates):
        return models, None
    private = bool(message.private_parts)
    usable = models.only(lambda model: not private or is_private(model))
    usable = usable.only(lambda model: not priced or prices.knows(model))
    material = sum(len(quote.text) for quote in message.quotes) // 4
    ranking = usable.ranked(message.text, material=material, track=track)
    return ranking.models, ranking


def is_private(model: Model) -> bool:
    """Whether the model may see private data."""
    return bool(getattr(model, "private", False))


def workers(member: object, above: tuple[object, ...] = ()) -> Iterator[Any]:
    """Those in a team, and in its teams, who are no teams themselves; a member alone is its own."""
    parts = [part for part, _ in parts_of(member)]
    if not parts or any(member is one for one in above):  # who knows itself is a team of another kind
        yield member
        return
    for part in parts:
        yield from workers(part, (*above, member))


def parts_of(member: object) -> list[tuple[Any, int]]:
    """Who takes part in a team, and how often each is given something at most; nobody where it is none."""
    if (parts := getattr(member, "parts", None)) is not None:
        return [(part.member, part.times) for part in parts]
    members = getattr(member, "members", ())  # a pattern of somebody's own
    named = [*members] if isinstance(members, list | tuple) else []
    return [(one, 1) for one in (*named, getattr(member, "synthesizer", None)) if hasattr(one, "run")]


def may_see_private(member: object, *, unknown: bool = True) -> bool:
    """Whether all of the member may see private data, or else what one has seen could not be used by
    another; `unknown` for those of whom nobody knows whom they ask and who do not say it themselves."""
    known = [
        (getattr(worker, "models", None), getattr(worker, "private", unknown)) for worker in workers(member)
    ]
    return all(own if models is None else any(map(is_private, models)) for models, own in known)


def kept_back(member: object, message: Message, *, trusted: bool) -> list[Quote]:
    """The memories that the member may not be shown, or does not want."""
    memories = [quote for quote in message.quotes if quote.kind == "memory"]
    if getattr(member, "memory", True) is False:
        return memories
    if trusted and may_see_private(member, unknown=False):
        return []
    return [quote for quote in memories if quote.private]


def marked(message: Message, public: AbstractSet[str], files: Sequence[Attachment]) -> Message:
    """The message of who has seen private data, with all marked private that can have been made of it.

    Texts that are `public`, and the `files` that were given, are left as they are.
    """
    mark = {"private": True}
    quotes = (
        quote if quote.private or quote.text in public else quote.model_copy(update=mark)
        for quote in message.quotes
    )
    attachments = (
        file if file.private or file in files else file.model_copy(update=mark)
        for file in message.attachments
    )
    return message.model_copy(
        update={
            "private": message.private or message.text not in public,
            "quotes": tuple(quotes),
            "attachments": tuple(attachments),
        }
    )


def private_parts(run: "Run", request: ModelRequest) -> tuple[str, ...]:
    """What in the request is private, or can be, by name."""
    return request.private or ("what was seen here",) * run.private


def allowed(run: "Run", models: Sequence[Model], request: ModelRequest) -> Sequence[Model]:
    """The models that may see what is in the request, or can have gone into it. ProviderError if none may."""
    if not (private := private_parts(run, request)):
        return models
    if marked := [model for model in models if is_private(model)]:
        return marked
    what, names = ", ".join(private[:5]), ", ".join(model.name for model in models[:5])
    raise ProviderError(
        "private",
        f"{what} is private, and {names} is not marked private: nothing was sent. {how_to_mark(models[0])}",
    )


def how_to_mark(model: Model) -> str:
    """What to do so that the model may see private data."""
    address = getattr(model, "base_url", None)
    value = f'"{address}"' if address and not is_local(address) else "true"
    return (
        f'If you trust it, mark it in config.toml as [model."{model.name}"] private = {value}, or with '
        "private=True where a program makes it; or take a model that runs here"
    )


def priced(run: "Run", models: Sequence[Model]) -> Sequence[Model]:
    """Under a budget in USD, the models whose price is known; all of them, if none is."""
    if not run.state.meter.budget.strict:
        return models
    known = [model for model in models if run.state.prices.knows(model)]
    if known and known[0] is not models[0]:
        reason = f"the price of {models[0].name} is not known, and there is a budget in USD"
        run.decided("model", known[0].name, reason)
    return known or models
