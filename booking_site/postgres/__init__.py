"""Django's database backend for PostgreSQL, tuned where requests wait for it."""
