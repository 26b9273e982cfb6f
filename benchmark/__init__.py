"""The harness: it knows no method and no task by name."""

__version__ = "0.2.0"
