"""What a web process keeps of the memory that it no longer needs: next to nothing."""

import ctypes

_M_MMAP_THRESHOLD = -3  # of <malloc.h>
_FROM_BYTES = 128 * 1024


def return_large_blocks() -> None:
    """Have glibc give blocks of 128 KiB and more back to the system when they are freed.

    It begins with that limit, but raises it to the largest block freed so far, and each
    thread keeps what is below. A hash of a password takes 7 MiB, so eight threads that
    had each seen a login would keep 56 MiB for ever. Other C libraries have nothing to set.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _FROM_BYTES)
