"""Clusters: a suite taken to SLURM through Submitit, and what is asked of it afterwards.

profiles   partition, memory, time, setup lines ... per stage and method, from ``profiles/NAME.toml``
estimates  how long a cell takes, from earlier records
planner    cells -> units (what one SLURM job runs) -> arrays, with their dependencies
submission what was submitted, on disk under ``HOME/slurm/``
work       what runs inside a job: a supervisor and its worker process; records are written by the worker
executor   ``ecgarena run SUITE --executor slurm``
queue      the scheduler's view, one query per refresh
commands   status, logs, retry, cancel, cost; doctor

`benchmark` reaches this package by its name alone, when a command asks for it (`benchmark.lazy_imports`).
"""
