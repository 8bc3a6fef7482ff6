"""What ``make run`` shows: real tables through the sandbox, on Prefect, checked row by row."""
