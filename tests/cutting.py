"""A run that is cut short while a model is at work, and everything before that is on disk."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from guildhall.agents import Hall, Member, ModelReply, ModelRequest
from guildhall.agents.models.base import OnText
from guildhall.agents.models.scripted import Step
from guildhall.agents.testing import ScriptedModel

_COUNT = "SELECT count(*) FROM journal WHERE run = ? AND path LIKE '%/ask%'"


class Stuck(ScriptedModel):
    """Says what it has, and from then on keeps everybody waiting."""

    def __init__(self, *steps: Step) -> None:
        super().__init__(*steps)
        self.steps = len(steps)
        self.stuck = asyncio.Event()

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        if len(self.requests) == self.steps:
            self.stuck.set()
            await asyncio.Event().wait()
        return await super().complete(request, on_text)


async def cut_short(hall: Hall, team: Member, stuck: Stuck, home: Path, run_id: str) -> None:
    """Start the run, and end it once its last model is stuck and all that was said is on disk."""
    work = asyncio.create_task(hall.run_team(team, "Well?", cache="off", run_id=run_id))
    await stuck.stuck.wait()
    with closing(sqlite3.connect(home / "guildhall.db")) as db:
        while db.execute(_COUNT, (run_id,)).fetchone()[0] < stuck.steps:
            await asyncio.sleep(0.005)  # it is written by a thread
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
