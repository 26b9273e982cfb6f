"""Blocks that only C-MELT uses."""
