"""The one endpoint plane: one folder per connector, the registry, and how configs are described."""
