//! The population database as this project reads it: one documented schema for SQLite and PostgreSQL.
