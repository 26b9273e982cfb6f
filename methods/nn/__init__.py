"""Shared blocks in plain torch: no registry, no input or output, no import of the harness."""
