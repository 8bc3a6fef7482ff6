"""The operator's console: HTML pages over the operations of the GraphQL schema, and nothing else."""
