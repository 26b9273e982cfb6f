"""What a preparation has to say, by recording; kept as JSON lines while it works, as one JSON file in the store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SHOWN = 10  # recordings named in a summary


@dataclass
class PreparationLog:
    """`left_out` recordings have a problem and are not in the store; `noticed` ones are, with an oddity."""

    left_out: list[dict[str, str]] = field(default_factory=list)
    noticed: list[dict[str, str]] = field(default_factory=list)

    def summary(self) -> list[str]:
        """A line per kind of finding, then the recordings left out: equal problems counted, others by name."""
        kinds = Counter(found["kind"] for found in self.noticed)
        lines = [f"{count} recordings: {kind}" for kind, count in sorted(kinds.items())]
        if not self.left_out:
            return lines
        lines.append(f"{len(self.left_out)} recordings were left out:")
        problems = Counter(found["problem"] for found in self.left_out)
        lines += [f"  {count} with the same problem: {problem}" for problem, count in problems.items() if count > 1]
        single = [found for found in self.left_out if problems[found["problem"]] == 1]
        lines += [f"  {found['record_id']}: {found['problem']}" for found in single[:SHOWN]]
        hidden = len(self.left_out) - len(single[:SHOWN])
        return [*lines, "  all of them by name in preparation.json"] if hidden else lines


def to_lines(found: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in found).encode()


def write_json(path: Path, left_out: Path, noticed: Path) -> None:
    """Join two files of JSON lines into one JSON file, a line at a time: there may be very many."""
    with path.open("w", encoding="utf-8") as file:
        file.write('{\n"left_out": [\n')
        file.writelines(_separated(left_out))
        file.write('],\n"noticed": [\n')
        file.writelines(_separated(noticed))
        file.write("]\n}\n")


def _separated(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file):
            yield f"{',' if number else ''}{line}"
