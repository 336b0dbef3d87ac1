"""The C library's allocator, set so that activations do not cost page faults."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h
LARGEST_KEPT = 2**25
"""Bytes; the most that glibc takes. What is larger (sums over a stream) is given back, for it would leave holes."""


def keep_freed_memory() -> bool:
    """Makes glibc keep what is freed, instead of giving blocks back and faulting them in again.

    A forward pass allocates and frees megabytes for each layer, and the kernel clears every page it hands out.
    Results do not depend on it. Where there is no glibc, nothing is done.

    Returns:
        Whether the settings were accepted.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((_M_MMAP_THRESHOLD, LARGEST_KEPT), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 2**26))
    return all(mallopt(name, value) == 1 for name, value in settings)
