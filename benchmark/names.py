"""Names that are safe as parts of paths: checks, safe forms of any text, and texts that stay in one line.

Names of suites, methods, tasks, datasets and label sets come from files and plug-ins that others wrote. Only names that
work on every file system, in a shell and in LaTeX's ``\\input`` are allowed.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

from benchmark.errors import UsageError, brief

LONGEST = 100  # bytes: endings such as -partial-metrics.csv and what surrounds a temporary file need room up to 255
MARKS = "._-+ "  # beside letters and digits; none of them first, and neither . nor a blank last
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)  # file names that Windows keeps
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"  # of bidirectional text


def name_problem(name: str) -> str:
    """Return the reason why `name` cannot be part of a path; empty when it can."""
    if not name.strip():
        return "it is empty"
    wrong = dict.fromkeys(letter for letter in name if not (letter.isalnum() or letter in MARKS))
    if wrong:
        return f"it holds {', '.join(map(ascii, wrong))}; letters, digits and . _ - + are allowed, and blanks within"
    if not (name[0].isalnum() or name[0] == "_"):
        return f"it begins with {name[0]!r}; begin with a letter or a digit"
    if name[-1] in ". ":
        return f"it ends in {name[-1]!r}"
    if DEVICES.fullmatch(name):
        return "Windows keeps this name for a device"
    if len(name.encode()) > LONGEST:
        return f"it is longer than {LONGEST} bytes"
    return ""


def check_name(name: str, where: str) -> None:
    """Raise `UsageError` where `name` cannot be part of a path; `where` says whose it is."""
    if problem := name_problem(name):
        raise UsageError(f"{where} is {brief(name)}, which cannot be part of a file's name: {problem}")


def file_name(text: str, most: int = LONGEST) -> str:
    """Return `text` as part of a path, at most `most` bytes: unchanged if possible, else similar with a digest."""
    if not name_problem(text) and len(text.encode()) <= most:
        return text
    similar = re.sub(r"[^\w+-]+", "-", text).strip("-+")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{similar.encode()[: most - 7].decode('utf-8', 'ignore')}-{digest}".lstrip("-+")


def one_line(text: str) -> str:
    """Return `text` without line breaks and characters that steer a terminal or turn the direction of reading."""
    return text if text.isprintable() else "".join(map(_harmless, text))


def look_of(text: str) -> str:
    """Return `text` as a reader sees it: characters without width left out, any blanks as one."""
    visible = "".join(letter for letter in unicodedata.normalize("NFC", text) if unicodedata.category(letter) != "Cf")
    return " ".join(visible.split())


def _harmless(letter: str) -> str:
    if letter.isspace():
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in ("Cc", "Cs") or letter in TURNING else letter
