"""What the runs of one hall share: slots, replies, prices, and how the models have done so far."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from time import time

from guildhall.errors import StoreError, UserError
from guildhall.memory.meaning import A_SCRIPTS_PATIENCE, PATIENCE, Meaning
from guildhall.memory.memory import Memory
from guildhall.memory.store.cache import Cache
from guildhall.memory.store.database import Database
from guildhall.memory.store.limits import Limits
from guildhall.memory.store.liveness import Liveness
from guildhall.memory.store.notebook import Notes
from guildhall.memory.store.questions import Questions
from guildhall.memory.store.retention import Pruned, Retention
from guildhall.memory.store.standing import Standing, Standings
from guildhall.memory.store.track import Tally, Track
from guildhall.redact import logger

from .agent import Agent
from .budget import Budget, Meter
from .commission import RunSpec
from .config import Config
from .models.base import Model
from .models.breaker import Breakers
from .models.catalog import Catalog
from .models.embedding_api import embedder_of
from .models.replies import Replies
from .models.slots import Slots
from .state import Channel, OnDelta, RunState, Sink

log = logger(__name__)
DAY, MEGABYTE = 86_400.0, 1_000_000
TIDY_CHECK = 600.0
"""Seconds between two looks at whether it is time to tidy."""


class Shared:
    """Made with a hall; `state` is what a run of it starts with."""

    def __init__(
        self,
        *,
        db: Database,
        liveness: Liveness,
        catalog: Catalog,
        config: Config,
        scope: str,
        host: str,
        recalls_private: bool,
    ) -> None:
        self._meaning = Meaning(
            db,
            lambda: embedder_of(config, catalog),
            patience=A_SCRIPTS_PATIENCE if host in ("shell", "python") else PATIENCE,
        )
        self.config, self.memory = config, Memory(db, scope=scope, dense=self._meaning)
        self.prices = catalog.prices
        self._scope, self._host, self._recalls_private = scope, host, recalls_private
        self._slots = Slots(Limits(db, liveness), catalog.limit)
        self.questions, self._notes = Questions(db), Notes(db)
        self._cache = Cache(db)
        self._replies = Replies(self._cache, hours=config.cache.hours)
        self._breakers = Breakers()
        self._track, self._tallies = Track(db), dict[str, Tally]()
        self._known = False
        self._standings, self._standing = Standings(db), dict[str, dict[str, Standing]]()
        self._retention = Retention(db, liveness)
        self._tidied = -math.inf

    async def close(self) -> None:
        """End what goes on in the background."""
        await asyncio.to_thread(self._meaning.close)

    async def track(self) -> Mapping[str, Tally]:
        """How the calls of each model have ended, in all runs of the user."""
        if not self._known:
            try:
                self._tallies = await self._track.all()
            except StoreError:
                log.warning("how models did before could not be read", exc_info=True)
            self._known = True
        return self._tallies

    async def state(
        self,
        run_id: str,
        spec: RunSpec,
        budget: Budget,
        agents: Sequence[Agent],
        *,
        sinks: Sequence[Sink],
        on_text: OnDelta | None,
        human: Channel | None = None,
    ) -> RunState:
        """What all spans of the run share."""
        models: dict[str, Model] = {model.name: model for agent in agents for model in agent.models}
        return RunState(
            run_id,
            Meter(budget),
            sinks,
            on_text,
            memory=self.memory,
            scope=self._scope,
            host=self._host,
            recalls_private=self._recalls_private,
            lessons=self.config.memory.lessons,
            prices=self.prices,
            questions=self.questions,
            notes=self._notes,
            human=human,
            slots=self._slots,
            replies=self._replies,
            cache=spec.cache or self.config.cache.mode,
            breakers=self._breakers,
            track=await self.track(),
            standing=await self.standing(self._scope),
            records=self._standings,
            team_models=models,
        )

    def ended(self, state: RunState) -> None:
        """Keep how the calls of the run have ended and who was right, for the choices of later runs."""
        if (known := self._standing.get(state.scope)) is not None:
            known |= {name: known.get(name, Standing()).plus(new) for name, new in state.standings.items()}
        if not state.tallies:
            return
        for model, new in state.tallies.items():
            self._tallies[model] = self._tallies.get(model, Tally()).plus(new)
        try:
            self._track.add(state.tallies)
        except StoreError:
            log.warning("how models did could not be kept", exc_info=True)

    async def standing(self, scope: str) -> Mapping[str, Standing]:
        """How often each member's side has held in what was judged in that project."""
        if scope not in self._standing:
            try:
                self._standing[scope] = await self._standings.all(scope)
            except StoreError:
                log.warning("who was right before could not be read", exc_info=True)
                return {}
        return self._standing[scope]

    async def pruned(self, *, days: float | None, megabytes: float | None, dry: bool) -> Pruned:
        """As of Hall.prune."""
        for name, given in (("days", days), ("megabytes", megabytes)):
            if given is not None and not given >= 0:
                raise UserError(f"{name} is {given}; it must be a number from 0 on")
        pruned = await self.prune(days=days, megabytes=megabytes, dry=dry)
        if not dry:
            await self.forget_replies(days=days)
            await self.compact()
        return pruned

    async def prune(self, *, days: float | None, megabytes: float | None, dry: bool) -> Pruned:
        """Remove old runs, down to what the arguments allow, or else the configuration."""
        limits = self.config.runs
        before = time() - (limits.days if days is None else days) * DAY
        most = (limits.megabytes if megabytes is None else megabytes) * MEGABYTE
        return await self._retention.prune(before=before, most_bytes=most, dry=dry)

    async def forget_replies(self, *, days: float | None) -> None:
        """Remove replies from the cache that are older than `days`, or than the configuration allows."""
        cache = self.config.cache
        oldest = cache.hours * 3600 if days is None else min(cache.hours * 3600, days * DAY)
        await self._cache.shrink(oldest=time() - oldest, most_bytes=cache.megabytes * MEGABYTE)

    async def compact(self) -> None:
        """Give back the space of what was removed, where no other process is in the way."""
        await self._retention.compact()

    async def tidy(self) -> None:
        """Once a day, of all processes, remove what is older or larger than the configuration allows."""
        if time() - self._tidied < TIDY_CHECK:
            return
        self._tidied = time()
        try:
            if await self._retention.due("tidy", DAY):
                await self.prune(days=None, megabytes=None, dry=False)
                await self.forget_replies(days=None)
        except asyncio.CancelledError:
            raise
        except StoreError as error:
            log.warning("old runs could not be removed: %s", error)
        except Exception:
            log.warning("old runs could not be removed", exc_info=True)
