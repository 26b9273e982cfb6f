"""Blocks that only ST-MEM uses."""
