"""Blocks of ESI alone."""
