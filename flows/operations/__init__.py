"""What the command and the metadata API both do: start, pause units, read states, set watermarks, provision tables."""
