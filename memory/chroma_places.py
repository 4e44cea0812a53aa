"""Where a Chroma server is: the one of a data folder, which we start, or one that somebody else runs."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from .chroma_server import DATA, IDLE, LOCK, NOTE, held

_TENANT, _DATABASE = "default_tenant", "default_database"
_LOG_BYTES = 1_000_000


class Address(NamedTuple):
    """Where a database of a Chroma server is."""

    host: str
    port: int
    database: str
    tenant: str = _TENANT
    prefix: str = ""
    secure: bool = False

    @property
    def path(self) -> str:
        return f"{self.prefix}/api/v2/tenants/{quote(self.tenant)}/databases/{quote(self.database)}"

    @property
    def url(self) -> str:
        return f"http{'s' * self.secure}://{self.host}:{self.port}{self.path}"


class Server(Protocol):
    """A Chroma server that may be there or not."""

    ours: bool
    """Whether it is started where it is not there."""
    url: str
    """Empty for the one of the data folder."""
    token: str
    connecting: float
    """Seconds that it may take to connect."""
    patience: float
    """Seconds that a query may take."""
    most: int
    """Candidates that it gives at once."""

    def address(self) -> Address:
        """Raises OSError, ValueError or KeyError where none is known."""
        ...

    def start(self) -> "subprocess.Popen[bytes]":
        """The program that was started. Raises OSError where that cannot be done."""
        ...

    def used(self) -> None:
        """Tell the server that it is in use."""
        ...


class Local:
    """The server of a data folder: whoever needs it first starts it."""

    ours, url, token, connecting, patience, most = True, "", "", 0.5, 0.25, 10_000

    def __init__(self, folder: Path, database: str, *, idle: float = IDLE) -> None:
        self.folder, self.database, self.idle = folder, database, idle
        self._told = 0.0

    def __str__(self) -> str:
        return "the local Chroma server"

    def address(self) -> Address:
        note = self._note()
        if note["database"] != self.database:
            raise ValueError("it serves what this database was called before")
        return Address("127.0.0.1", int(note["port"]), self.database)

    def start(self) -> "subprocess.Popen[bytes]":
        with contextlib.suppress(OSError, ValueError, KeyError):
            if self._note()["database"] != self.database:
                (self.folder / NOTE).unlink(missing_ok=True)
        path, program = self.folder / "chroma.log", Path(__file__).with_name("chroma_server.py")
        with contextlib.suppress(OSError):
            if path.stat().st_size > _LOG_BYTES:
                os.truncate(path, 0)
        # -P: the folder of the program is no place to import from. Chroma reads options from CHROMA_* too.
        command = [sys.executable, "-P", str(program), str(self.folder), self.database, str(self.idle)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CHROMA_")}
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            child = subprocess.Popen(  # noqa: S603  our own program
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment,
                start_new_session=True,  # Ctrl-C is for whoever started it
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        threading.Thread(target=child.wait, name="guildhall-chroma-child", daemon=True).start()  # no zombie
        return child

    def used(self) -> None:
        if time.monotonic() - self._told > self.idle / 4:
            with contextlib.suppress(OSError):
                os.utime(self.folder / NOTE)
                self._told = time.monotonic()

    def remove(self, wait: float) -> None:
        """Have the files of this database gone, and the server that serves them. Raises TimeoutError."""
        deadline, data = time.monotonic() + wait, self.folder / DATA / self.database
        while data.exists():
            with contextlib.suppress(OSError, ValueError, KeyError):
                if self._note()["database"] == self.database:
                    (self.folder / NOTE).unlink(missing_ok=True)
            with held(self.folder / LOCK) as mine:
                if mine:
                    shutil.rmtree(data)
                    with contextlib.suppress(OSError):
                        data.parent.rmdir()
                    return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self} does not end")
            time.sleep(0.02)

    def _note(self) -> dict[str, Any]:
        note: dict[str, Any] = json.loads((self.folder / NOTE).read_text("utf-8"))
        return note


class Remote:
    """A Chroma server that somebody else runs, shared or in the cloud."""

    ours, connecting, patience, most = False, 3.0, 2.0, 300

    def __init__(self, url: str, token: str = "") -> None:
        """`http(s)://host[:port]`, and `/api/v2/tenants/.../databases/...` for another than the default.

        What is no such address is a server that never answers, and says why.
        """
        self.token, self.url = token, ""
        self._address: Address | None = None
        try:
            parts = urlsplit(url)
            secure = parts.scheme == "https"
            port = parts.port or (443 if secure else 80)
            usable = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        except ValueError:
            usable = ""
        if not usable:
            return
        named = re.search(r"/api/v2/tenants/([^/]+)/databases/([^/]+)/?$", parts.path)
        prefix = parts.path[: named.start()] if named else parts.path.rstrip("/")
        tenant, database = named.groups() if named else (_TENANT, _DATABASE)
        self._address = Address(parts.hostname or "", port, database, tenant, prefix, secure)
        self.url = self._address.url

    def __str__(self) -> str:
        return "the Chroma server" + (f" at {at.host}:{at.port}" if (at := self._address) else "")

    def address(self) -> Address:
        if self._address is None:
            raise ValueError(
                "GUILDHALL_CHROMA_URL must be http(s)://host[:port], with /api/v2/tenants/.../databases/... "
                "behind it for another than the default database; a token belongs in GUILDHALL_CHROMA_TOKEN"
            )
        return self._address

    def start(self) -> "subprocess.Popen[bytes]":
        raise OSError("it is somebody else's to start")

    def used(self) -> None:
        pass
