"""Blocks of CG-DMER alone."""
