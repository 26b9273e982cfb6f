"""One file per group of commands: `add` declares their options, a function does the work.

On the way to ``--help`` all of these are imported, so whatever is heavy is imported inside the functions.
"""
