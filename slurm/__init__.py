"""SLURM support: run a suite on a cluster through Submitit, then follow and manage its jobs.

profiles   partition, memory, time, setup lines ... per stage and method, from ``profiles/NAME.toml``
estimates  how long a cell takes, from earlier records
planner    cells -> units (what one SLURM job runs) -> arrays, with their dependencies
submission submitted units and cells, on disk under ``HOME/slurm/``
work       the code inside a job: a supervisor and its worker process; the worker writes the records
executor   ``ecgarena run SUITE --executor slurm``
queue      the scheduler's view, one query per refresh
commands   status, logs, retry, cancel, cost; doctor

`benchmark` imports this package lazily, by name, when a command needs it (`benchmark.lazy_imports`).
"""
