"""One file per group of commands: `add` declares their options, a function does the work.

``--help`` imports all of these files, so heavy modules are imported inside the functions.
"""
