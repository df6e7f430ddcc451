"""Django's PostgreSQL backend with fewer round trips, and PostgreSQL-specific model helpers."""
