"""Blocks that only W2V + CMSC + RLM uses."""
