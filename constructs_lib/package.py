"""Reproducible Lambda packages: their bytes depend only on the names and contents of their files."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_FILE_MODE: Final = 0o100644 << 16
_EXECUTABLE_MODE: Final = 0o100755 << 16
_EXCLUDED_FOLDERS: Final = {"__pycache__", ".git", ".venv", "node_modules"}
_EXCLUDED_SUFFIXES: Final = {".pyc", ".pyo"}


@dataclass(frozen=True, slots=True)
class Package:
    """A zip file on disk. sha256: hex digest of its bytes."""

    path: Path
    sha256: str

    @property
    def source_code_hash(self) -> str:
        """The digest in base64, as Lambda reports it."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()


class NoSourceError(Exception):
    """A source folder of a Lambda is missing or has no files."""


def build(source: Path, zip_path: Path, *, inside: str = "", libraries: tuple[str, ...] = ()) -> Package:
    """Zip the folder `source` to `zip_path`. Its files are in the folder `inside` of the archive.

    libraries: pure Python packages to add, from this installation, whose versions a lock file pins.
    Members are sorted, have one fixed date and one of two modes, and are stored uncompressed, since compressors differ
    between machines. Raises NoSourceError if `source` is not a folder or has no files.
    """
    files = members(source, Path(inside))
    if not files:
        raise NoSourceError(
            f"{source} is missing or empty; a Lambda's source is a folder with files; "
            "correct `source` in the environment file, or create the folder"
        )
    for library in libraries:
        files |= members(_installed(library), Path(library))
    zip_path.parent.mkdir(parents=True, exist_ok=True)
    draft = zip_path.with_name(f".{zip_path.name}.{os.getpid()}")
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sorted(files.items()):
            content = path.read_bytes()
            archive.writestr(_member(path, name, content), content)
    digest = hashlib.sha256(draft.read_bytes()).hexdigest()
    draft.replace(zip_path)
    return Package(zip_path, digest)


def members(folder: Path, inside: Path = Path()) -> dict[str, Path]:
    """Files of `folder` by their name in the archive, below its folder `inside`."""
    files = (path for path in folder.rglob("*") if path.is_file() and _included(path.relative_to(folder)))
    return {(inside / path.relative_to(folder)).as_posix(): path for path in files}


def _installed(library: str) -> Path:
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"{library} is not installed; run `make setup`, or install tollgate with pip", name=library
        )
    return Path(spec.origin).parent


def _included(path: Path) -> bool:
    return not _EXCLUDED_FOLDERS.intersection(path.parts) and path.suffix not in _EXCLUDED_SUFFIXES


def _member(path: Path, name: str, content: bytes) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EARLIEST)
    info.create_system = _UNIX
    # A script keeps its mode where an installer or a file system lost it: Lambda executes lambda_src/bootstrap.
    executable = content.startswith(b"#!") or os.access(path, os.X_OK)
    info.external_attr = _EXECUTABLE_MODE if executable else _FILE_MODE
    return info
