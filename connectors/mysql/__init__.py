"""MySQL and MariaDB as a source of tables (template ``jdbc.mysql``), over PyMySQL."""
