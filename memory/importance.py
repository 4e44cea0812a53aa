"""How much a record matters where its writer does not say."""

import re

from .records import Kind, Record

KEPT = 0.8
"""Above this, a record is never trimmed from a window and never pruned; only a writer says so."""
_OF_KIND: dict[Kind, float] = {
    "decision": 0.7, "preference": 0.6, "procedure": 0.6, "fact": 0.5, "summary": 0.5, "document": 0.4,
    "episode": 0.4,
}  # fmt: skip
_BINDING = re.compile(
    r"\b(?:always|never|must(?: not)?|shall|required|forbidden|deadline|agreed|decided|important|critical)\b",
    re.IGNORECASE,
)


def estimated(kind: Kind, text: str, subject: str | None) -> float:
    """From 0 to .8: by the kind, and a tenth more for a subject and for words that bind."""
    tenths = 0.1 * ((subject is not None) + bool(_BINDING.search(text)))
    return min(KEPT, round(_OF_KIND[kind] + tenths, 2))


def stays(record: Record) -> bool:
    """Whether it is never left out for lack of room: its writer says that it matters."""
    return record.pinned or record.importance > KEPT
