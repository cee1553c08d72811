"""optuna-dashboard on a run, with the report's figures and notes in it.

In: a run's folder. Out: pages in a browser. The run's own storage is only read: what the dashboard
shows is a copy in memory (`overlay`), which follows the run while it goes on (`following`); its
notes and figures are made by a process of their own (`describe`). Must not import torch or Ray.
"""
