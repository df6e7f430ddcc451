"""PostgreSQL and Redis for a machine that has none: `python -m booking_site.embedded -- COMMAND…`.

The command finds `DATABASE_URL` and `REDIS_URL` of servers that live exactly as
long as it does. Standard library only; the servers' programs come from wheels.
"""
