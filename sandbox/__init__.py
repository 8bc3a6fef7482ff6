"""Local stand-ins a run can talk to: Postgres, S3, and ways to break both. Imports none of our rooms."""
