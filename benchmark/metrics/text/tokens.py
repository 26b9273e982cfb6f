"""Tokens of reports for the caption metrics: words in lower case, without punctuation.

The field's scores are on tokens of Stanford's PTBTokenizer (CoreNLP 3.4.1, in pycocoevalcap), which needs Java.
`split_words` follows its rules for what ECG reports contain and replaces it where there is no Java. A record tells
which of the two was used.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.metrics.text.java import OPTIONS, java_path

PUNCTUATION = frozenset(
    [
        "''",
        "'",
        "``",
        "`",
        "-lrb-",
        "-rrb-",
        "-lcb-",
        "-rcb-",
        "-LRB-",
        "-RRB-",
        "-LCB-",
        "-RCB-",
        ".",
        "?",
        "!",
        ",",
        ":",
        "-",
        "--",
        "...",
        ";",
    ]
)
TIMEOUT = 300.0  # seconds
_TOKEN = re.compile(
    r"can(?=not\b)|-[lr]sb-"
    r"|[-+]?[.,:]?\d++(?:[.,:]\d++)*+(?![^\W\d_]|/\w)"  # 0.45, 1:1; behind a word also ,5,6 (as in v4,5,6)
    r"|\w+(?:[-/.]\w+)*"  # st-hebung, flutter/fibrillation
    r"|[^\w\s]"
)


def join_lines(text: str) -> str:
    """Return the text without line breaks: one within a text would shift all texts after it."""
    return " ".join(text.split())


def ptb_tokens(texts: Sequence[str]) -> list[str]:
    """Return the PTB tokens of each text, joined by blanks. Raises BenchmarkError when Java fails or loses a line."""
    program = java_path()
    if program is None:
        raise BenchmarkError("the PTB tokeniser needs Java")
    lines = [join_lines(text) for text in texts]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts"
        # the tokeniser may drop an empty line: each line begins with a mark, which is removed afterwards
        file.write_text("\n".join(f"zz {line}" for line in lines) + "\n", "utf-8")
        command = [program, *OPTIONS, "-cp", str(_jar()), "edu.stanford.nlp.process.PTBTokenizer",
                   "-encoding", "utf-8", "-preserveLines", "-lowerCase", str(file)]  # fmt: skip
        try:
            process = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=True)
        except subprocess.TimeoutExpired as error:
            raise BenchmarkError(f"the PTB tokeniser did not answer within {TIMEOUT:.0f} s") from error
        except (OSError, subprocess.CalledProcessError) as error:
            log = (getattr(error, "stderr", b"") or b"").decode("utf-8", "replace")[-400:]
            raise BenchmarkError(f"the PTB tokeniser failed: {error} {log}") from error
    outputs = process.stdout.decode("utf-8").split("\n")[: len(lines)]
    if len(outputs) != len(lines) or not all(line.startswith("zz") for line in outputs):
        raise BenchmarkError(f"the PTB tokeniser gave {len(outputs)} lines for {len(lines)} texts")
    return [_without_punctuation(line.split()[1:]) for line in outputs]


def split_words(texts: Sequence[str]) -> list[str]:
    """Return the tokens of each text without Java, by a regular expression."""
    lines = (re.sub(r'[(){}"]', " ", join_lines(text).lower()) for text in texts)
    lines = (line.replace("[", " -lsb- ").replace("]", " -rsb- ") for line in lines)
    return [_without_punctuation(_TOKEN.findall(line)) for line in lines]


def _without_punctuation(words: Sequence[str]) -> str:
    """Return the words that are no punctuation, joined by blanks."""
    return " ".join(word for word in words if word not in PUNCTUATION)


def _jar() -> Path:
    from pycocoevalcap.tokenizer import ptbtokenizer

    return Path(ptbtokenizer.__file__).parent / ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR
