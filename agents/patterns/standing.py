"""What members have been right about before: noted where something is judged, weighed where they vote."""

from collections.abc import Iterable, Mapping

from guildhall.errors import StoreError
from guildhall.memory.store.standing import Standing

from ..run import Run


async def judged(run: Run, held: Mapping[str, bool]) -> None:
    """Note whose side held in a matter that somebody else than they has judged; once, also when resumed.

    Never to be called with what the members' own majority says, which would confirm itself.
    """
    here, digest = run.span("judged"), run.digest(*(f"{name}={side}" for name, side in held.items()))
    if here.recorded(digest) is not None:
        return
    for name, side in held.items():
        run.state.judged(name, held=side)
    await _kept(here, digest, held)


async def _kept(here: Run, digest: str, held: Mapping[str, bool]) -> None:
    """Have it on disk with its entry in the journal, whatever becomes of the run."""
    state = here.state
    if state.records is None or state.log is None:
        await here.record(digest, dict(held), wait=False)
        return
    found = {name: Standing(1, int(side)) for name, side in held.items()}
    try:
        state.records.add(state.scope, found, run=state.id, path=here.path, digest=digest, value=dict(held))
    except StoreError as error:
        state.notice(f"who was right could not be kept: {error}")


async def weights(run: Run, names: Iterable[str]) -> dict[str, float]:
    """What the vote of each counts by its record; on a resumed run, what it had counted before."""
    names = list(names)
    here, digest = run.span("standing"), run.digest(*names)
    if (known := here.recorded(digest)) is not None:
        return dict(known)
    found = {name: round(run.state.standing.get(name, Standing()).weight, 4) for name in names}
    await here.record(digest, found, wait=False)
    return found
