"""The pictures of the documentation, from a run on scripted models: `python tests/pictures.py`.

The team, its text and its answers are real in all but the models; when things happened is made up, since
scripted models take no time.
"""

import asyncio
import base64
import os
import re
import struct
import sys
import tempfile
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from asking import Asks
from browsing import Stage, staged
from recording import Line, Recording, feed, recorded

from guildhall.agents import Agent, Member, ModelReply, ModelRequest, ToolCall, tool
from guildhall.agents import event as ev
from guildhall.agents.message import Usage
from guildhall.agents.models.base import OnText
from guildhall.agents.patterns import Debate, Graph, Step
from guildhall.agents.testing import ScriptedModel
from guildhall.view import View

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "pictures"
AGREEMENT = ROOT / "examples" / "supply-agreement.md"
WIDTH, HEIGHT = 760, 920
COLOURS, FLAT = 256, 48
"""Of a picture, and how many of them are those that fill most of it."""
BEGAN = 1_790_000_000.0
WORD, STEP = 0.025, 0.4
"""Seconds that a word takes, and anything else that happens."""
TASK = "May we sign the supply agreement with Marrow & Pell as it stands? What should be changed first?"
PIXELS = """async (png) => {
  const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const {width, height} = bitmap, context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const {data} = context.getImageData(0, 0, width, height);
  const parts = Array.from({length: height}, (_, y) => data.subarray(4 * width * y, 4 * width * (y + 1)));
  return [width, height, btoa(parts.map((part) => String.fromCharCode(...part)).join(""))];
}"""


class Writes(ScriptedModel):
    """Writes word by word, beside whoever else is writing."""

    async def complete(self, request: ModelRequest, on_text: OnText) -> ModelReply:
        reply = await super().complete(request, lambda _text: None)
        for word in re.findall(r"\s*\S+\s*$|\s*\S+", reply.text):
            on_text(word)
            await asyncio.sleep(0)
        tokens = sum(len(turn.text) for turn in request.turns) // 4 + 400
        return reply.model_copy(update={"usage": Usage(input=tokens, output=len(reply.text) // 4 + 20)})


@tool
def find_clauses(about: str) -> str:
    """Find the clauses of the agreement that speak of something."""
    lines = enumerate(AGREEMENT.read_text("utf-8").splitlines(), 1)
    return "\n".join(f"[supply-agreement.md:{n}] {line}" for n, line in lines if about in line.casefold())


READ = """Fifteen clauses and one annex. These bear on the question:

- **4.4, 4.5** late delivery: 1.5 per cent a week, up to 12 per cent; after 30 days we may buy elsewhere
- **8.3, 9.1** recalls up to EUR 3 million, all liability up to EUR 5 million in the first year
- **13.2** leaving without cause: not before April 2028, for EUR 640,000
"""
LAW = """**Clause 13.2 binds us for two years.** We may not leave before 1 April 2028, and then pay \
EUR 640,000 and the safety stock as well.

Clause 15.2 has disputes heard in Hexley, where the supplier sits. Arbitration is enforceable, but interim \
measures should stay possible in Delmond.

Clause 9.3 lifts the limits for wilful misconduct only. Gross negligence is missing from the list.
"""
MONEY = """The credit for late delivery ends at **12 per cent**, which eight weeks reach. A line that stands \
still costs us about EUR 90,000 a day, so the credit covers less than a tenth of a long delay.

The energy surcharge of clause 6.3 adds EUR 75,600 a year at 36 million vials. It ends by itself, and is fair.
"""
SUPPLY = """Clause 5.1 keeps eight weeks of stock 40 kilometres away from the furnace. The lead time of \
10R is **nine weeks**, so one week is not covered if the furnace fails.

Clause 7.7 gives us 180 days before any change of the glass. That is enough to validate it.
"""
ADVOCATE = (
    "The cap is acceptable. EUR 5 million is more than the recalls of the last ten years have cost together."
)
SCEPTIC = "The cap is not acceptable. One recall of two batches would cost EUR 7 million by our own estimate."
VERDICT = """{"winner": "proposal B", "answer": "", "reason": "both count the same recalls, but only one \
counts batches of the new size", "dissent": "the advocate holds that two batches never failed at once"}"""
ANSWER = """**Not yet.** Three changes matter, in this order:

1. **Liability (9.1, 9.3):** a cap of EUR 10 million, as high as the supplier's own cover, and none for \
gross negligence [supply-agreement.md:115] [supply-agreement.md:118].
2. **Safety stock (5.1):** nine weeks for 10R, since its lead time is nine weeks [supply-agreement.md:57].
3. **Leaving (13.2):** from April 2027, for half of the fee [supply-agreement.md:155].

Price, quality and the energy surcharge are fair as they stand.
"""


def team() -> Member:
    """A graph with a tool, three who write at once, a debate, and a question to the user."""
    call = ModelReply(calls=(ToolCall(id="1", name="find_clauses", arguments={"about": "eur"}),))
    panel = Debate(
        "panel",
        [
            _agent("advocate", "speaks for signing", "openai:gpt-5", ADVOCATE, "B counts batches.", ADVOCATE),
            _agent(
                "sceptic", "speaks against", "anthropic:claude-sonnet-4-5", SCEPTIC, "A looks back.", SCEPTIC
            ),
        ],
        _agent("judge", "decides", "anthropic:claude-opus-4-5", VERDICT),
    )
    members: list[Member] = [
        Agent("reader", "Read.", [Writes(call, READ, name="anthropic:claude-haiku-4-5")], [find_clauses],
              role="finds what bears on it"),
        _agent("counsel", "contract law", "anthropic:claude-sonnet-4-5", LAW),
        _agent("finance", "price and liability", "openai:gpt-5", MONEY),
        _agent("supply", "delivery and stock", "openai:gpt-5-mini", SUPPLY),
        panel,
        Asks("clerk", "A higher cap may cost us the price of clause 6.1. Is that acceptable?",
             ("Yes, ask for it", "No, keep the price")),
        _agent("lead", "writes the answer", "anthropic:claude-opus-4-5", ANSWER),
    ]  # fmt: skip
    steps = [
        Step("clauses", "reader", "Find the clauses that bear on the question."),
        Step("law", "counsel", "What binds us?", ("clauses",)),
        Step("money", "finance", "What can it cost?", ("clauses",)),
        Step("stock", "supply", "Where may deliveries fail?", ("clauses",)),
        Step("cap", "panel", "Is the liability cap acceptable?", ("law", "money")),
        Step("limits", "clerk", "Ask what matters more.", ("cap", "stock")),
        Step("answer", "lead", "Write the answer.", ("limits",)),
    ]
    return Graph("signing", members, steps)


def _agent(name: str, role: str, model: str, *said: str) -> Agent:
    return Agent(name, "Answer.", [Writes(*said, name=model)], role=role)


def timed(recording: Recording) -> list[Line]:
    """The lines as if the models had taken their time."""
    at, lines = BEGAN, list[Line]()
    for line in recording.lines:
        if isinstance(line, tuple):
            at += WORD
            lines.append(line)
            continue
        at += STEP
        more: dict[str, Any] = {"seconds": at - BEGAN} if isinstance(line, ev.RunFinished) else {}
        lines.append(line.model_copy(update={"at": at, **more}))
    return lines


@asynccontextmanager
async def shown(lines: list[Line], **options: Any) -> AsyncIterator[Stage]:
    """The view of a run that has come to the last of the lines."""
    at = [line.at for line in lines if not isinstance(line, tuple)][-1]
    view = View(clock=lambda: at + 1)
    async with staged(view, viewport={"width": WIDTH, "height": 1600}, **options) as stage:
        for number, line in enumerate(lines):
            feed(view, line)
            if number % 50 == 0:
                await stage.push()
        await stage.push()
        await stage.page.add_style_tag(
            content="body { margin: 0 } .guildhall { border-radius: 0 !important }"
        )
        yield stage
        await stage.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 200)))"
        )


async def draw(folder: Path) -> None:
    """Make the pictures in the folder."""
    folder.mkdir(exist_ok=True, parents=True)
    recording = await recorded(team(), TASK, "Yes, ask for it", files=[str(AGREEMENT)], tokens=200_000)
    lines = timed(recording)
    writing = recording.last(ev.Asked, who="supply") + 150
    asking = recording.last(ev.Question, who="clerk") + 1
    for name, upto, scheme, typed in (
        ("run-live", writing, "light", ""),
        ("run-question", asking, "light", "Only up to EUR 80,000 a year"),
        ("run-done-dark", len(lines), "dark", ""),
    ):
        async with shown(lines[:upto], color_scheme=scheme) as stage:
            if typed:
                await stage.page.fill(".asks textarea", typed)
            await photographed(stage, folder / f"{name}.png")


async def photographed(stage: Stage, path: Path) -> None:
    """A picture of the view in few colours, which a page about it loads at once."""
    await stage.page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))"
    )
    box = await stage.page.locator(".guildhall").bounding_box()
    assert box, "it is there"
    clip: Any = box | {"height": min(HEIGHT, box["height"])}
    seen = await stage.page.screenshot(clip=clip, animations="disabled")
    width, height, pixels = await stage.page.evaluate(PIXELS, base64.b64encode(seen).decode())
    image = np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)[:, :, :3]
    path.write_bytes(png(image))


def png(image: Any) -> bytes:
    """The picture in few of its colours: the most frequent ones, and one of each other kind."""
    height, width, _ = image.shape
    colours, which, often = np.unique(image.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    frequent = np.argsort(-often)
    _, first = np.unique(colours[frequent] >> 4, axis=0, return_index=True)
    chosen = [*range(FLAT), *sorted(first[first >= FLAT])][:COLOURS]
    palette = colours[frequent[chosen]]
    far = np.square(colours[:, None, :].astype(int) - palette[None].astype(int)).sum(axis=2)
    rows = far.argmin(axis=1).astype(np.uint8)[which.reshape(-1)].reshape(height, width)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    data = ((b"IHDR", head), (b"PLTE", palette.tobytes()), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in data
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"GUILDHALL_HOME": home, "HOME": home, "GUILDHALL_EMBEDDER": "none"}
        asyncio.run(draw(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
