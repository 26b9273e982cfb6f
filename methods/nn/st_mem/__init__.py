"""Blocks of ST-MEM alone."""
