"""HTTP traffic between a connector and its system: recorded without secrets, replayed offline, spoiled at will."""
