"""From a suite to its cells, and where each cell stands; nothing here needs torch."""
