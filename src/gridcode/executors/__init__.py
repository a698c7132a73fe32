"""Where tasks are carried out: here, in processes side by side, on a Ray cluster, or by SLURM.

A task is a function that can be imported and one argument that can be pickled. An executor takes
tasks and returns outcomes as they finish (`tasks.Executor`); it knows nothing of what they are.
"""
