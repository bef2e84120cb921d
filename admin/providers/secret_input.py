"""Secrets that an operator types or pipes in: never an argument, which a shell's history and a process list show."""

from __future__ import annotations

import sys

from admin.errors import UsageError


def read_secret(what: str) -> str:
    """One line from a pipe, or from a prompt that shows nothing; as `checked` leaves it."""
    if sys.stdin.isatty():
        from getpass import getpass

        try:
            text = getpass(f"{what}: ")
        except EOFError:
            text = ""
    else:
        try:
            text = sys.stdin.read()
        except UnicodeDecodeError:
            raise _unlike_a_key(what) from None
    return checked(what, text)


def checked(what: str, text: str) -> str:
    """The value without the line's end. Usage where it is empty, has white space inside, or what no HTTP header can
    carry. No message has any of it."""
    value = text.strip()
    if not value:
        raise UsageError(f"{what}: nothing was given. Pipe it in, or type it at the prompt.")
    if any(character.isspace() for character in value):
        raise UsageError(
            f"{what}: there is white space inside of it. Accepted is one line with the value and nothing else."
        )
    if not (value.isascii() and value.isprintable()):
        raise _unlike_a_key(what)
    return value


def _unlike_a_key(what: str) -> UsageError:
    return UsageError(f"{what}: it has characters that no key has. Accepted are printable ASCII characters.")
