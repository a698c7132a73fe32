"""Where tasks are carried out: here, in processes side by side, on a Ray cluster, or by SLURM.

A task is a function that can be imported and one argument that can be pickled. An executor takes
tasks and returns outcomes as they finish (`tasks.Executor`); it knows nothing of what they are.

On one machine processes are the default also where Ray is installed: a task costs less
than 1 ms in place of 3 to 17, and no cluster has to be started (docs/howto/cluster.md).
"""
