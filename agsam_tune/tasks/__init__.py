"""Tasks: data and the model to train on them; see `task`."""
