"""What differs from one host to another: where its user writes things down."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from guildhall.hosts import ASKED, Host, folders, introduced, user_file


def how_to_add_a_key(host: str) -> str:
    """What to do when no model could be reached, in the words of this host."""
    return (
        "no API key reached this server, so the built-in extractive model answered: it quotes "
        "what it was given and writes nothing of its own. Hosts do not pass on the environment "
        f"of your shell: {where_variables_go(host, ASKED)}"
    )


def where_variables_go(host: str, names: Sequence[str]) -> str:
    """What to do so that these variables reach the server, in the words of this host."""
    known = introduced(host)
    place = _place(known) if known else "the host's MCP configuration"
    return f"put {' or '.join(names)} into `env` of the server's entry in {place}, and restart the server"


def _place(host: Host) -> str:
    try:
        home = Path.home()
    except RuntimeError:  # there is no home folder
        return f"the MCP configuration of {host.title}"
    file = str(user_file(host, folders(os.environ, home), sys.platform)).replace(str(home), "~", 1)
    return f"{file} (or {host.project} of the project)" if host.project else file
