"""Blocks in plain torch: those of several methods here, those of one method in a folder of its name."""
