"""Blocks that only DERI uses."""
