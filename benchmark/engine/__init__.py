"""Plan, run, store: how a grid of cells becomes records on disk."""
