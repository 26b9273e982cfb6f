"""The methods under comparison: one file per method, named as it is registered."""
