"""Secrets that an operator types or pipes in: never an argument, which a shell's history and a process list show."""

from __future__ import annotations

import sys

from admin.faults import Usage


def read_secret(what: str) -> str:
    """One line from a pipe, or from a prompt that shows nothing; without the line's end. Usage where it is empty, has
    white space inside, or what no HTTP header can carry. No message has any of it."""
    if sys.stdin.isatty():
        from getpass import getpass

        try:
            text = getpass(f"{what}: ")
        except EOFError:
            text = ""
    else:
        text = sys.stdin.read()
    value = text.strip()
    if not value:
        raise Usage(f"{what}: nothing was given. Pipe it in, or type it at the prompt.")
    if any(character.isspace() for character in value):
        raise Usage(f"{what}: there is white space inside of it. Accepted is one line with the value and nothing else.")
    if not (value.isascii() and value.isprintable()):
        raise Usage(f"{what}: it has characters that no key has. Accepted are printable ASCII characters.")
    return value
