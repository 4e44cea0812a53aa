"""`guildhall`: teams of LLM specialists with one shared long-term memory, from the shell."""

import contextlib
import io
import sys

import click

from guildhall import __version__

from . import answer, doctor, init, library, memory, memory_group, run, runs, serve
from .frame import Commands

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Commands, context_settings=CONTEXT)
@click.version_option(__version__, "-V", "--version", prog_name="guildhall")
def cli() -> None:
    """Teams of LLM specialists with one shared long-term memory.

    \b
    guildhall run research "What are the risks?" --file contract.md
    guildhall ask critic "What is wrong with this plan?" --file plan.md
    guildhall doctor

    Without an API key the built-in extractive model answers. It is no LLM: it quotes what it is given.
    """


for command in (
    run.run, run.ask, run.resume, answer.answer, library.teams, library.specialists, runs.runs, runs.watch,
    runs.cancel, memory.recall, memory.remember, memory_group.memory, doctor.doctor, init.init,
    serve.mcp,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """Run the command in sys.argv; what a terminal cannot encode is replaced there."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors="replace")
    cli(prog_name="guildhall")
