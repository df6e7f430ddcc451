"""How gunicorn serves the site: with its own threaded worker, behind a proxy that buffers.

gunicorn reads PORT and then listens on every address.
"""

import os
from pathlib import Path

from booking_site.environment import exit_if_invalid
from booking_site.observability.logging import logging_config

exit_if_invalid(os.environ)

wsgi_app = "booking_site.wsgi"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
# A thread needs at most one database connection: no more threads than DATABASE_POOL_MAX.
threads = int(os.environ.get("WEB_THREADS") or 8)
keepalive = 75  # longer than a proxy keeps idle connections
# How long a deploy waits for requests in flight; platforms kill after 30 seconds or more.
graceful_timeout = int(os.environ.get("WEB_GRACEFUL_SECONDS") or 25)

# Up to 8,190 bytes reach the site, which answers with problem documents.
limit_request_line = 8190
limit_request_field_size = 8192  # counts a field's line ending too
header_map = "drop"  # X_Real_Ip must not pass for X-Real-Ip
# Django's settings decide which headers of a proxy count. With FORWARDED_ALLOW_IPS, gunicorn would
# take a request's path and scheme from its headers as well.
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
control_socket_disable = True
logconfig_dict = logging_config(as_json=os.environ.get("DEVELOPMENT") != "1")

if os.environ.get("METRICS_TOKEN"):
    # Workers add up their metrics in this folder. Files of an earlier run do not count.
    port = os.environ.get("PORT") or 8000
    folder = Path(os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", f"/tmp/booking-metrics-{port}"))  # noqa: S108
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink()
