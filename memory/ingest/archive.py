"""Files that are zip archives: how much is in them is counted while it is read, not believed."""

import io
import zipfile

from .unreadable import UnreadableError

MOST_BYTES, MOST_FILES = 100_000_000, 10_000
"""Unpacked."""
OLD = b"\xd0\xcf\x11\xe0"
"""How files of the old Office formats begin, and encrypted ones."""
ENCRYPTED_OR_OLD = "it is encrypted, or of an old format: save it anew without a password"
_AT_ONCE = 1 << 20


def check(data: bytes) -> None:
    """Raise UnreadableError where it is no archive, or more than an office file can be."""
    if data.startswith(OLD):
        raise UnreadableError(ENCRYPTED_OR_OLD)
    left = MOST_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if len(archive.infolist()) > MOST_FILES:
                raise UnreadableError(f"there are more than {MOST_FILES:,} files in it")
            for one in archive.infolist():
                with archive.open(one) as file:
                    while part := file.read(_AT_ONCE):
                        left -= len(part)
                        if left < 0:
                            raise UnreadableError(f"unpacked it has more than {MOST_BYTES:,} bytes")
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise UnreadableError(f"it is damaged: {error}") from None
    except RuntimeError:
        raise UnreadableError("it is encrypted: save a copy of it without a password") from None
    except Exception as error:
        if type(error).__name__ == "error":  # of zlib
            raise UnreadableError(f"it is damaged: {error}") from None
        raise
