"""`guildhall memory`: what there is to do with the memory beside recalling and remembering."""

import click

from . import consolidate, ingest, keeping, settling


@click.group()
def memory() -> None:
    """Look after what this project remembers.

    \b
    guildhall memory ingest docs
    guildhall memory timeline db.engine
    guildhall memory forget 1f3a9c02
    """


for command in (
    ingest.ingest, keeping.stats, keeping.audit, keeping.timeline, keeping.show, keeping.forget,
    settling.settle, settling.promote, keeping.export, keeping.load, keeping.backup, keeping.rebuild,
    consolidate.consolidate,
):  # fmt: skip
    memory.add_command(command)
