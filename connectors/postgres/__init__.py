"""PostgreSQL as a source and as a sink of rows (template ``jdbc.postgres``), over ADBC."""
