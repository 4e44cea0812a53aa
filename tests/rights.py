"""What root may not do, for a while: a test can see what happens to others."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def no_rights() -> Iterator[None]:
    """Where the tests run as root: do without its right to read and write whatever it likes.

    So do the threads that are begun meanwhile, and no others.
    """
    if os.name == "nt":
        pytest.skip("permissions are another matter there")
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may write everywhere")
    libc, header = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0)
    rights = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, rights) == 0
    effective = rights[0]
    rights[0] &= ~0b1110  # DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER
    assert libc.capset(header, rights) == 0
    try:
        yield
    finally:
        rights[0] = effective
        assert libc.capset(header, rights) == 0
