"""SQLite as a source of tables (template ``jdbc.sqlite``), over the standard library's driver."""
