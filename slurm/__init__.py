"""Clusters. The Submitit executor belongs here, as one more `benchmark.engine.executors.Executor`; it is not
written yet. Until it is, `ecgbench run SUITE --executor processes` inside one allocation uses all its cores.
"""
