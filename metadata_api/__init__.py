"""The door: signed webhook, GraphQL, callbacks. It validates, starts deployments and answers."""
