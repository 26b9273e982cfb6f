"""A test of report metrics: true reports with faults in them, and by how much each metric notices which fault."""
