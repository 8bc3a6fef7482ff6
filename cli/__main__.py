"""``python -m cli``: the command where its console script is not installed."""

from cli.main import main

main()
