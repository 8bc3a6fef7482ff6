"""Floor 4: the `nucleus` command, one module per command group, no logic."""
