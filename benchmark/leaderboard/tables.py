"""The tables of a suite as plain structure: rows, columns, entries, marks and notes. Renderers turn it into text.

Pure: the same store gives the same tables. One file per output: markdown, spreadsheet (CSV), latex, terminal, page.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.canonical import dumps
from benchmark.data.store.completeness import warnings_among
from benchmark.errors import raise_all
from benchmark.leaderboard.analysis_notes import chance_notes, sensitivity_notes
from benchmark.leaderboard.contamination import contaminated_rows, contamination_notes, newly_contaminated
from benchmark.leaderboard.footnotes import fixed_fields, protocol_warnings
from benchmark.leaderboard.machine_notes import machine_notes, mixed_machines, mixed_weights, training_notes
from benchmark.leaderboard.metric_choice import metric_notes, under_metric
from benchmark.leaderboard.presentation import PLAIN, Presentation
from benchmark.leaderboard.presentation_check import ambiguous_names, look_notes, unknown_names
from benchmark.leaderboard.published import Published
from benchmark.leaderboard.published_rows import published_rows, source_notes
from benchmark.leaderboard.recipes import recipe_notes
from benchmark.leaderboard.spread_notes import spread_notes
from benchmark.leaderboard.submissions import SubmittedRow, submitted_rows
from benchmark.leaderboard.summary import Entry, column_title, summarise, varying
from benchmark.leaderboard.table import TIED, Table
from benchmark.names import file_name
from benchmark.paths import Home
from benchmark.planning.plan import Cell, Plan
from benchmark.planning.pretrained import HISTORY, card_alone, hardware_of
from benchmark.planning.standing import CODE, DONE, INCOMPLETE, OUTDATED, RECORDS_ALONE, AtHand, Standings
from benchmark.records.spec import PROTOCOL
from benchmark.records.store import Store


class Leaderboard:
    """All tables of a plan."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        now: AtHand = RECORDS_ALONE,
        look: Presentation = PLAIN,
        published: Sequence[Published] = (),
    ) -> None:
        self.plan, self.store, self._now, self.look = plan, store, now, look
        entries, self.standings = summarise(plan, store, now)
        self.all_entries = [entry for entry in entries if look.shows(entry.row, entry.is_baseline)]
        self.entries = under_metric(self.all_entries, look.metric) if look.metric else self.all_entries
        self.tables = list(_tables(self.entries, look))
        for table in self.tables:
            table.published = published_rows(table, published)
        if look != PLAIN:
            self._check_look()

    def _check_look(self) -> None:
        """Raise `UsageError` where the presentation names what the suite has not, or calls two things the same."""
        columns = [table.columns for table in _tables(self.all_entries)]
        headings = {column for several in columns for column in several}
        problems = [
            *unknown_names(self.look, self.plan, headings),
            *ambiguous_names(self.look, self.plan, columns),
        ]
        raise_all(problems, "the presentation does not fit the suite:")

    @property
    def name(self) -> str:
        """Return the name of the files; a limited run, a part of the suite and a chosen metric have their own."""
        return base_name(self.plan) + (f"-{file_name(self.look.metric, 40)}" if self.look.metric else "")

    @property
    def synthetic(self) -> bool:
        return any(result.synthetic for entry in self.entries for result in entry.results)

    @functools.cached_property
    def submitted_rows(self) -> list[SubmittedRow]:
        """Return what ``submission.toml`` beside the records says of rows."""
        rows = list(dict.fromkeys(entry.row for entry in self.entries))
        return submitted_rows(self.store.root, self.plan.suite.name, rows)

    @property
    def partial(self) -> bool:
        return self.plan.limit is not None

    @functools.cached_property
    def incomplete_data(self) -> list[str]:
        """Return a sentence for each dataset that was prepared with clearly fewer recordings than it has."""
        notes = (note for entry in self.entries for result in entry.results for note in result.notes)
        return sorted(set(warnings_among(notes)))

    @property
    def absent(self) -> int:
        """Return the number of cells without a finished record."""
        return sum(entry.missing + entry.failures for entry in self.entries)

    def histories(self) -> dict[str, list[Path]]:
        """Return the loss curves of each pre-trained row, one file per member: beside the records or in the home."""
        files: dict[str, list[Path]] = {}
        for row, folders in self._trainings():
            path = next((folder / HISTORY for folder in folders if (folder / HISTORY).is_file()), None)
            if path is not None:
                files.setdefault(row, []).append(path)
        return files

    def training_hardware(self) -> dict[str, list[str | None]]:
        """Return on what each training of a pre-trained row ran, by its card; None where there is none that says it."""
        hardware: dict[str, list[str | None]] = {}
        rows = {entry.row for entry in self.entries if entry.results}
        for row, folders in self._trainings():
            if row in rows:
                card = next((card for folder in folders if (card := card_alone(folder))), None)
                hardware.setdefault(row, []).append(hardware_of(card))
        return hardware

    def _trainings(self) -> Iterator[tuple[str, list[Path]]]:
        """Yield the row of each pre-training, and the folders where its files may lie."""
        for cell in {cell.weights_folder: cell for cell in self.plan.cells if cell.weights_folder}.values():
            yield cell.row, [Home(root).pretrained / str(cell.weights_folder) for root in self._homes]

    @property
    def _homes(self) -> tuple[Path, Path]:
        return self.store.root, self.store.root.parent

    def warnings(self) -> list[str]:
        lines = []
        if self.synthetic:
            lines.append("SYNTHETIC DATA: generated signals and reports; the numbers say nothing about medicine.")
        if self.partial:
            lines.append("PARTIAL: made with --limit on a part of the recordings; these are no final results.")
        lines += [f"{warning}; these are no results on the whole dataset." for warning in self.incomplete_data]
        if part := self.plan.part:
            lines.append(f"PART OF A SUITE: {' '.join(part)}; the whole suite has a table of its own.")
        if changes := self.plan.changes:
            lines.append(
                f"SUITE CHANGED: this is {self.plan.suite.name} as its records were collected; its file is now "
                f"{'; '.join(changes)}."
            )
        if contaminated := contaminated_rows(self.entries):
            lines.append(
                f"CONTAMINATED: {', '.join(contaminated)}: test data was seen before the test; the notes say how."
            )
        lines += self._contaminated_since()
        if self.absent:
            lines.append(f"INCOMPLETE: {self.absent} cells are missing or failed; `{self._command(*self.plan.part)}`.")
        lines += self._outdated()
        lines += [f"UNUSABLE: {len(cells)} records count as missing: {why}." for why, cells in self._unusable().items()]
        return lines + protocol_warnings(self.entries)

    def _contaminated_since(self) -> list[str]:
        """Return a note on rows whose records are clean or unknown, but which the data prepared since contradicts."""
        places = newly_contaminated(self.plan.cells, self.entries, self._now.contamination)
        if not places:
            return []
        rows = ", ".join(f"{row} on {dataset}" for row, dataset in places)
        again = self._command("--again", *dict.fromkeys(row for row, _ in places))
        how = f"`{self.plan.command('plan')}` says how, `{again}` makes them anew"
        return [f"CONTAMINATED: {rows}: known since the records were made; {how}."]

    def _outdated(self) -> list[str]:
        """Return notes on rows with numbers from other code or weights than are at hand, or from several of them."""
        lines = []
        reasons: dict[str, Counter[str]] = {}
        for why, cells in self.standings.reasons(OUTDATED).items():
            about = "numbers of other code than is installed" if why.startswith(CODE) else why
            reasons.setdefault(about, Counter()).update(cell.row for cell in cells)
        for about, counts in reasons.items():
            rows = ", ".join(f"{row} ({count})" for row, count in counts.items())
            command = self._command("--again", *counts)
            lines.append(f"OUTDATED: {about}: {rows}; `{command}` makes them anew.")
        if mixed := list(dict.fromkeys(mixed_code(self.standings) + mixed_code(self.standings, "weights"))):
            lines.append(f"MIXED CODE: numbers in one row that different code made: {', '.join(mixed)}.")
        if mixed := mixed_machines(self.entries):
            lines.append(f"MIXED MACHINES: numbers in one row from different machines: {', '.join(mixed)}.")
        results = [(e.row, *one) for e in self.entries for one in zip(e.members, e.results, strict=True)]
        if mixed := mixed_weights(results):
            command = self._command("--again", *mixed)
            lines.append(
                f"MIXED WEIGHTS: numbers in one row from several trainings of one recipe: {', '.join(mixed)}; "
                f"`{command}` makes them anew."
            )
        return lines

    def _unusable(self) -> dict[str, list[Cell]]:
        return self.standings.reasons(INCOMPLETE)

    def notes(self) -> list[str]:
        """Return notes on how to read the tables, then those on single rows."""
        lines = [self._how_to_read(), *self._marks(), *look_notes(self.plan, self.look)]
        lines += source_notes(self.tables)
        lines += metric_notes(self.all_entries, self.entries, self.look.metric) if self.look.metric else []
        lines += fixed_fields(self.entries, self.plan)
        lines += recipe_notes(self.plan.suite, self._rows)
        lines += self.trained_once()
        lines += machine_notes(self.entries)
        lines += training_notes(self.training_hardware())
        lines += self._missing()
        ends = {entry.row for entry in self.entries for result in entry.results if result.trained_end_to_end}
        lines += [f"{row}: trained end to end on the labelled subset, not probed." for row in sorted(ends)]
        lines += [f"{skip.row} × {skip.task}: skipped, {skip.reason}." for skip in self.plan.skips]
        notes = {
            f"{e.dataset}/{e.label_set}: {note}."
            for e in self.entries
            for result in e.results
            for note in result.notes
            if note not in self.incomplete_data
        }
        analysis = sensitivity_notes(self.tables) + chance_notes(self.tables)
        return [*lines, *contamination_notes(self.entries), *sorted(notes), *analysis]

    @property
    def _rows(self) -> set[str]:
        """Return the rows of the plan, those that are skipped among them."""
        return {entry.row for entry in self.entries} | {skip.row for skip in self.plan.skips}

    def _how_to_read(self) -> str:
        slash = "; behind a slash that over trainings" if self._several_trainings else ""
        return (
            f"Protocol {PROTOCOL}. {self._metrics()} on the test split: mean ± standard deviation over label-subset "
            f"seeds (one subset at 100 %){slash}; in brackets the 95 % bootstrap interval over patients."
        )

    @functools.cached_property
    def _several_trainings(self) -> bool:
        return any(entry.trainings > 1 for entry in self.entries)

    def trained_once(self) -> list[str]:
        """Return a note on the rows whose marks say nothing about another training."""
        rows = dict.fromkeys(e.row for e in self.entries if e.is_trained and e.trainings == 1 and e.results)
        if not rows:
            return []
        return [f"Trained once: {'; '.join(rows)}. Marks hold for these weights; another training may change them."]

    def _metrics(self) -> str:
        return self.look.metric_name(self.look.metric) if self.look.metric else "The primary metric"

    def _marks(self) -> list[str]:
        rankings = [ranking for table in self.tables for ranking in table.rankings.values() if ranking.best]
        if not rankings:
            return []
        lines = ["Bold: best of its column; underlined: second; incomplete entries take no part."]
        if any(ranking.tested for ranking in rankings):
            trainings = " and variance between trainings" if self._several_trainings else ""
            lines.append(
                f"{TIED} cannot be told from the best: paired bootstrap over patients{trainings}, Holm over the "
                "column, 5 %. The smallest difference is the median rival's, at the strictest level of this correction."
            )
        lines += spread_notes(self.tables)
        if not self.look.metric and not all(ranking.tested or ranking.no_spread for ranking in rankings):
            lines.append(
                "Columns with records that keep no resamples (made before they were stored) have their best marked "
                "without a test: an overlap of intervals is no proof of a tie, nor its absence of a difference."
            )
        return lines

    def _missing(self) -> list[str]:
        """Return rows with absent cells, each with the command that fills them."""
        lines = []
        for (row, task), group in itertools.groupby(
            sorted(self.entries, key=lambda entry: (entry.row, entry.task)), key=lambda entry: (entry.row, entry.task)
        ):
            entries = list(group)
            missing, failures = sum(e.missing for e in entries), sum(e.failures for e in entries)
            options = ("--methods", row, "--tasks", task)
            if missing:
                lines.append(f"{row} × {task}: {missing} cells missing; `{self._command(*options)}`.")
            if failures:
                command = self._command(*options, "--retry-failed")
                lines.append(f"{row} × {task}: {failures} cells failed; `{command}`.")
        return lines

    def _command(self, *options: str) -> str:
        """Return the command that makes missing cells."""
        limit = () if self.plan.limit is None else ("--limit", str(self.plan.limit))
        return self.plan.command("run", *options, *limit)


def base_name(plan: Plan) -> str:
    """Return the file name of a plan's tables without its ending; a part never replaces the whole."""
    part = f"-part-{file_name('+'.join(word for word in plan.part if word[:2] != '--'), 60)}" if plan.part else ""
    return plan.suite.name + part + ("-partial" if plan.limit is not None else "")


def mixed_code(standings: Standings, part: str = "method") -> list[str]:
    """Return ``merl × linear_probe`` for rows with numbers from different versions of a part of the code.

    That is the method's, or that of the training of its ``weights``.
    """
    digests: dict[str, set[str]] = {}
    for standing in standings.all:
        if standing.state in (DONE, OUTDATED) and standing.entry is not None and part in standing.entry.code:
            place = f"{standing.cell.row} × {standing.cell.spec.task}"
            digests.setdefault(place, set()).add(standing.entry.code[part])
    return [place for place, several in digests.items() if len(several) > 1]


def _tables(entries: list[Entry], look: Presentation = PLAIN) -> Iterator[Table]:
    places = {name: _order(entries, name) for name in ("task", "dataset", "label_set")}
    in_order = sorted(entries, key=lambda e: tuple(places[name][getattr(e, name)] for name in places))
    for (task, dataset), of_task in itertools.groupby(in_order, key=lambda e: (e.task, e.dataset)):
        entries_here = list(of_task)
        names, metric = varying(entries_here), _metric(entries_here)
        for label_set, group in itertools.groupby(entries_here, key=lambda e: e.label_set):
            body = _body(list(group), names, metric)
            rows = look.in_order(list(dict.fromkeys(row for row, _ in body)))
            below = {row for (row, _), entry in body.items() if entry.is_baseline}
            baselines = below if look.baselines is None else set(look.baselines)
            columns = look.chosen_columns(list(dict.fromkeys(column for _, column in body)))
            ranked, last = [r for r in rows if r not in baselines], [r for r in rows if r in baselines]
            body = {place: entry for place, entry in body.items() if place[1] in columns}
            yield Table(task, dataset, label_set, ranked, last, columns, body, look)


def _body(entries: list[Entry], names: list[str], metric: str) -> dict[tuple[str, str], Entry]:
    """Return entries by row and column; columns whose short titles are equal are told apart by all their fields."""
    variants = {dumps(entry.variant): entry for entry in entries}
    titles = {variant: column_title(entry, names, metric) for variant, entry in variants.items()}
    often = Counter(titles.values())
    for variant, entry in variants.items():
        if often[titles[variant]] > 1:
            fields = ", ".join(f"{name} {entry.variant.get(name)!r}" for name in names)
            titles[variant] = f"{titles[variant]} ({fields})"
    return {(entry.row, titles[dumps(entry.variant)]): entry for entry in entries}


def _metric(entries: list[Entry]) -> str:
    """Return the metric of entries of one task; empty before the first result."""
    return next((entry.results[0].primary for entry in entries if entry.results), "")


def _order(entries: list[Entry], name: str) -> dict[str, int]:
    """Return the positions of tasks, datasets and label sets in the suite."""
    return {value: place for place, value in enumerate(dict.fromkeys(getattr(entry, name) for entry in entries))}
