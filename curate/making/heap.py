"""Give memory back while a freeze runs. Changes the whole process, so that only the child of one job may ask for it."""

import ctypes

import pyarrow as pa

ARENAS, MMAP = (-8, 2), (-3, 128 * 1024)
"""(number of the setting in malloc.h of glibc, value)"""
glibc = ctypes.CDLL(None)


def keep_small() -> None:
    """Blocks of 128 KiB and more go back to the system when they are freed, and all threads share two heaps.

    By itself glibc raises that bound to the size of what was freed last, up to 32 MiB, and gives each thread a heap of
    its own: windows of rows then leave holes that nothing fills. Arrow's own allocator keeps what it has freed.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if hasattr(glibc, "mallopt"):  # musl and macOS have none
        for setting, value in (ARENAS, MMAP):
            glibc.mallopt(setting, value)


def trim() -> None:
    """Free pages between those in use go back too."""
    if hasattr(glibc, "malloc_trim"):
        glibc.malloc_trim(0)
