"""Kinds of files, recognised by their first bytes, so that an error can name what was found in place of weights."""

from __future__ import annotations

import re
from pathlib import Path

HEAD = 1024  # bytes looked at
LONGEST_HEADER = 100_000_000  # bytes, of a safetensors file
ZIP, PICKLE = b"PK\x03\x04", b"\x80"  # torch.save since 1.6, and before
LFS = b"version https://git-lfs.github.com/spec/"
PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")
OTHERS = {
    b"\x1f\x8b": "a gzip archive: unpack it first",
    b"\xfd7zXZ": "an xz archive: unpack it first",
    b"BZh": "a bzip2 archive: unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it first",
    b"Rar!": "a rar archive: unpack it first",
    b"\x89HDF\r\n": "an HDF5 file (Keras?), and only torch and safetensors files are read",
    b"\x93NUMPY": "a numpy array, and only torch and safetensors files are read",
    b"GGUF": "a GGUF file, and only torch and safetensors files are read",
    b"%PDF": "a PDF document",
}


def file_kind(path: Path) -> str | None:
    """Return "torch", "legacy torch" or "safetensors"; None for anything else."""
    head = _head(path)
    if _is_safetensors(head):
        return "safetensors"
    if head.startswith(ZIP):
        return "torch"
    return "legacy torch" if head.startswith(PICKLE) else None


def foreign_content(path: Path) -> str | None:
    """Return what a file is that cannot hold weights, as the end of a sentence; None where it may hold some."""
    head = _head(path)
    if not head:
        return "it is empty: get it again"
    if _is_safetensors(head):
        return None
    if head.startswith(LFS):
        return (
            f"it is a Git LFS pointer{_pointed_size(head)}, not the file itself: run `git lfs pull` where it was cloned"
        )
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(PAGES):
        return "it is a web page (HTML or XML), not the file itself: was a login or a confirmation asked for?"
    if head[257:262] == b"ustar":
        return "it is a tar archive: unpack it first"
    return next((f"it is {name}" for sign, name in OTHERS.items() if head.startswith(sign)), None)


def text_beginning(path: Path) -> str | None:
    """Return the first words of a file that is text; None for any other."""
    head = _head(path)
    try:
        text = head.decode("utf-8").strip() if len(head) < HEAD else head.decode("utf-8", "ignore").strip()
    except UnicodeDecodeError:
        return None
    return " ".join(text.split())[:40] if text and text.replace("\n", "").replace("\t", "").isprintable() else None


def _is_safetensors(head: bytes) -> bool:
    """Whether a file begins with the length of a header and that header; the length alone proves nothing."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= LONGEST_HEADER


def _pointed_size(head: bytes) -> str:
    match = re.search(rb"^size (\d+)$", head, re.MULTILINE)
    return f" to {int(match[1]):,} bytes" if match else ""


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)
