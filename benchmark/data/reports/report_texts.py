"""What counts as a report, and when two reports are the same."""

from __future__ import annotations

from benchmark.api import report_key as report_key  # it lies there because methods need the same rule
