"""The Prefect REST API: one client, and flow runs, schedules and block documents over it."""
