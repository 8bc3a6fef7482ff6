"""A unit's run on Prefect: its tasks, its lock, how it is paused, what it shows and how it ends."""
