"""Methods that run in another interpreter, because their packages conflict with those of the harness.

`worker.py` runs in the other interpreter and needs only numpy and the method. `process.py` starts it and sends it
requests. `method.py` wraps it as an ordinary method. Recordings are sent and features returned; labels, probes and
scores never leave the harness.
"""
