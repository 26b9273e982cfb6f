"""Methods that run in an interpreter of their own, because their packages conflict with those of the harness.

`server.py` runs there and knows numpy and the method; `process.py` starts it and talks to it; `method.py` makes it look
like any other method here. Recordings go over, features come back; labels, probes and scores never leave this side.
"""
