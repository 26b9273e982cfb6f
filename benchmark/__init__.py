"""The harness: it finds methods and tasks by name and imports none of them."""

__version__ = "0.2.0"
