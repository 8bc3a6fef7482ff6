"""Jira Cloud as a source: projects, users, issues, comments and worklogs over REST v3."""
