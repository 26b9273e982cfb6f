"""Planning: the cells of a suite and where each one stands; nothing in this package needs torch."""
