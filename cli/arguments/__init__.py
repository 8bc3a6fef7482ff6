"""What is read from the command line: options, URLs, secrets, values, and the requests that they make."""
