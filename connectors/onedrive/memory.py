"""Memory that the payloads of a drive needed, given back to the system when they are rows.

They are many small allocations, and glibc keeps their pages when they are freed: a drive's payloads would lie beside
its rows until the process ends. Source: malloc_trim(3). A C library that has no such call needs none. It is not for
slices that are read in a stream: they use the same pages again.
"""

from __future__ import annotations

import ctypes

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """Give freed pages back: milliseconds, and what is allocated next is mapped anew."""
    if _trim is not None:
        _trim(0)
