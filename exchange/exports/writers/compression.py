"""gzip and zstd of a stream of bytes. Nothing of the clock or the name goes in: the same rows give the same bytes."""

import zlib
from collections.abc import Iterable, Iterator

import zstandard

GZIP = 16 + zlib.MAX_WBITS


def compressed(blocks: Iterable[bytes], how: str) -> Iterator[bytes]:
    if how == "none":
        yield from blocks
        return
    squeeze = zlib.compressobj(6, wbits=GZIP) if how == "gzip" else zstandard.ZstdCompressor(level=3).compressobj()
    for block in blocks:
        if piece := squeeze.compress(block):
            yield piece
    yield squeeze.flush()
