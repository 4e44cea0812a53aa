"""The command, from its first moment on: an interrupt while it is imported ends it without a traceback."""

import os
import signal
import sys
from typing import Any


def main() -> None:
    """Run the command in sys.argv."""
    if by_default := signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    if sys.argv[1:2] == ["mcp"]:
        from guildhall.mcp_server.instant import serve_at_once

        if serve_at_once(sys.argv[1:]):
            return
    from guildhall.cli.main import main as command  # it takes a tenth of a second

    if by_default:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


def _leave(*_: Any) -> None:
    os.write(2, b"guildhall: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    main()
