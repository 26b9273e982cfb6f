"""Metrics of predictions and their statistics: intervals, subgroups, paired differences."""
