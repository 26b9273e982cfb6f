"""Blocks of W2V + CMSC + RLM alone."""
