"""HTTP traffic between a connector and its system: recorded without secrets, replayed offline, with faults injected."""
