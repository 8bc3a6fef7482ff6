"""What sources over HTTP share: settings, one governor per endpoint, a client that retries and names what failed."""
