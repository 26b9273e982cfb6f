"""Numbers that others can check: predictions beside records, metrics computed again, and checks of submissions."""
