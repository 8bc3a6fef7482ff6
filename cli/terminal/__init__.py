"""What is shown: results, progress, failures; and how Ctrl-C and secrets are handled."""
