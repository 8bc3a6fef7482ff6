"""The HTTP API: signed webhook, GraphQL, callbacks. It validates requests, starts deployments and answers."""
