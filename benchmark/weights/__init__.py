"""Weights on their way in: what a file is and declares, what its numbers are, what a folder of transformers holds."""
