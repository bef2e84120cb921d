"""What a screenshot shows: the colours of a PNG, without a library of pictures."""

from __future__ import annotations

import zlib

BLOCK = 12
"""Pixels of a block's side: larger than what two ways to smooth an edge can move."""


def pixels(png: bytes) -> tuple[int, int, set[bytes]]:
    """Width, height and the distinct colours of a PNG."""
    width, lines = _lines(png)
    colours = {line[place : place + 3] for line in lines for place in range(0, len(line), 3)}
    return width, len(lines), colours


def blocks(png: bytes) -> dict[tuple[int, int], tuple[int, ...]]:
    """The mean colour of each block of BLOCK × BLOCK pixels, by its place."""
    width, lines = _lines(png)
    found = {}
    for top in range(0, len(lines) - BLOCK + 1, BLOCK):
        for left in range(0, width - BLOCK + 1, BLOCK):
            part = b"".join(line[left * 3 : (left + BLOCK) * 3] for line in lines[top : top + BLOCK])
            found[left, top] = tuple(sum(part[colour::3]) // BLOCK**2 for colour in range(3))
    return found


def _lines(png: bytes) -> tuple[int, list[bytes]]:
    """Width, and each line as bytes of red, green and blue, of a PNG as Chromium writes them: 8 bits, no interlace
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
    above, lines = bytes(stride), []
    for row in range(height):
        start = row * (stride + 1)
        above = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above, size)
        if size == 3:
            lines.append(above)
        else:
            opaque = bytearray(width * 3)
            for colour in range(3):
                opaque[colour::3] = above[colour::4]
            lines.append(bytes(opaque))
    return width, lines


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
