"""Blocks of C-MELT alone."""
