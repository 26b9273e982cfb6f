"""One file per group of commands: `add` declares their options, a function does the work.

A command imports its own file alone (`catalogue.py`), and heavy modules only inside the functions that need them.
"""
