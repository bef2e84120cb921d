"""Secrets from stdin or a prompt. They are never arguments, which shell histories and process lists contain."""

from __future__ import annotations

import sys

from admin.errors import UsageError


def read_secret(what: str) -> str:
    """A secret from stdin or from a prompt without echo, validated by `checked`."""
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
            raise _invalid_characters(what) from None
    return checked(what, text)


def checked(what: str, text: str) -> str:
    """The value without surrounding whitespace. Raises UsageError if it is empty, contains whitespace, or is invalid in
    an HTTP header. Messages never contain any part of it."""
    value = text.strip()
    if not value:
        raise UsageError(f"{what}: the value is empty. Pipe it to stdin, or type it at the prompt.")
    if any(character.isspace() for character in value):
        raise UsageError(f"{what}: the value contains whitespace; accepted: one line with only the value.")
    if not (value.isascii() and value.isprintable()):
        raise _invalid_characters(what)
    return value


def _invalid_characters(what: str) -> UsageError:
    return UsageError(f"{what}: the value contains invalid characters; accepted: printable ASCII characters.")
