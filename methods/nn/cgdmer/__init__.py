"""Blocks that only CG-DMER uses."""
