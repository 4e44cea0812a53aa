"""What the models of all APIs have in common: where they are asked, and as whom."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from ..message import ModelReply, ModelRequest
from . import clients
from .base import OnText


@dataclass(frozen=True)
class RemoteModel(ABC):
    """A model that an API serves. Key and address are those of the environment if not given."""

    model: str
    api_key: str | None = field(default=None, repr=False, kw_only=True)
    base_url: str | None = field(default=None, kw_only=True)
    takes: frozenset[str] = field(default=frozenset({"image", "pdf"}), kw_only=True)
    private: bool = field(default=False, kw_only=True)
    """Whether it may see what is private."""
    stream: bool = field(default=True, kw_only=True)
    most_output: int | None = field(default=None, kw_only=True)
    """Tokens of one reply that it has room for."""
    provider: str = field(default="", kw_only=True)

    @property
    def name(self) -> str:
        return f"{self.provider}:{self.model}"

    @property
    def identity(self) -> str:
        """What its replies are kept under."""
        return f"{self.name}@{self.service.base_url}"

    @property
    def account(self) -> str:
        """What its provider's limits hold for."""
        return f"{self.name} at {self.service.account}"

    @property
    @abstractmethod
    def service(self) -> clients.Service:
        """Where it is asked."""

    async def ready(self) -> None:
        """Import the SDK, before the first call and apart from it."""
        await clients.ready(self.service)

    @abstractmethod
    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        """The reply, of one attempt. Raises ProviderError."""
