"""PostgreSQL and Redis for a machine that has none: `python -m booking_site.embedded -- COMMAND`.

The command finds `DATABASE_URL` and `REDIS_URL` of servers that run exactly as long as it does.
Standard library only, and only what Linux and macOS share; the servers' programs come from wheels.
"""
