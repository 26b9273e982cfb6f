"""Everything that needs torch to run cells: building methods, training, features, and the records that result."""
