"""One module per command group: it names the options, calls what does the work and shows the result."""
