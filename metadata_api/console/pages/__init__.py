"""One module per page: what is asked for it, and what its forms do."""
