"""Blocks of DERI alone."""
