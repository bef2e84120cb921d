"""What a screenshot shows: the colours of a PNG, without a library of pictures."""

from __future__ import annotations

import zlib


def pixels(png: bytes) -> tuple[int, int, set[bytes]]:
    """Width, height and the distinct colours of a PNG as Chromium writes them: 8 bits, no interlace
    (w3.org/TR/png-3/#9Filters)."""
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind = png[at + 4 : at + 8]
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + length]
        at += 12 + length
    width, height = (int.from_bytes(chunks[b"IHDR"][start : start + 4], "big") for start in (0, 4))
    size = {2: 3, 6: 4}[chunks[b"IHDR"][9]]
    raw, stride = zlib.decompress(chunks[b"IDAT"]), width * size
    colours: set[bytes] = set()
    above = bytes(stride)
    for row in range(height):
        start = row * (stride + 1)
        above = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above, size)
        colours.update(above[place : place + 3] for place in range(0, stride, size))
    return width, height, colours


def _unfiltered(kind: int, line: bytearray, above: bytes, size: int) -> bytes:
    for place in range(len(line)) if kind else ():
        left = line[place - size] if place >= size else 0
        corner = above[place - size] if place >= size else 0
        line[place] = (line[place] + _guess(kind, left, above[place], corner)) & 255
    return bytes(line)


def _guess(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    straight = left + up - corner
    return min((left, up, corner), key=lambda each: abs(straight - each))
