"""Blocks of MELP alone."""
