"""The GraphQL schema: types, queries, mutations. ``docs/schema.graphql`` is what clients are promised."""
