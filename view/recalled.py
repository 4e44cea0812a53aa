"""What memory has found or kept, in the words of every face."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from guildhall.memory.records import named

if TYPE_CHECKING:
    from guildhall.memory.records import Found, Hit, Remembered

_SERVED = {
    "words": "not looked for",
    "exact": "by a look at all vectors",
    "chroma": "by Chroma, checked in the ledger",
}


def served(found: "Found") -> str:
    """How similar records were looked for."""
    return f"similar records: {_SERVED[found.served]}{f' ({found.why})' if found.why else ''}"


def score(hit: "Hit") -> str:
    """The score with what it is made of."""
    return f"{hit.score:.2f} = {' + '.join(f'{part:.2f} {name}' for name, part in hit.parts.items())}"


def doubts(hits: "Sequence[Hit]") -> Iterator[str]:
    """For each two of a subject that stand beside each other, how the user settles it."""
    pairs = {hit.record.id: hit.doubted_by for hit in hits if hit.doubted_by}
    pairs |= {hit.outweighed_by: hit.record.id for hit in hits if hit.outweighed_by}
    return (doubt(newer, older) for older, newer in pairs.items())


def doubt(newer: str, older: str) -> str:
    """How the user settles it that of two records the newer one is trusted less."""
    settle = "guildhall memory settle"
    return (
        f"{named(newer)} is newer than {named(older)}, but trusted less, and does not take its place: "
        f"`{settle} {newer[:8]} {older[:8]} supersede` if it holds, "
        f"`{settle} {older[:8]} {newer[:8]} retract` if it is wrong."
    )


def conflicts(kept: "Remembered") -> Iterator[str]:
    """For each record that may say otherwise, how the user settles it."""
    how = "supersede|coexist|duplicate|retract"
    for other in kept.conflicts:
        command = f"guildhall memory settle {kept.id[:8]} {other[:8]} {how}"
        yield f"{named(other)} may say otherwise: `{command}`"
