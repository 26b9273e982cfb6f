"""The methods under comparison: one file per method, with the name under which it is registered."""
