"""How gunicorn serves the site, in production and under `make run`.

gunicorn itself reads PORT (then it listens on every address) and
FORWARDED_ALLOW_IPS (proxies whose X-Forwarded-Proto it believes).
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from booking_site.environment import exit_if_unfit
from booking_site.observability.logging import logging_config
from booking_site.patient_worker import Worker
from booking_site.quiet_log import Log

exit_if_unfit(os.environ)

wsgi_app = "booking_site.wsgi"

if os.environ.get("BIND"):
    bind = os.environ["BIND"]

workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
worker_class = Worker
logger_class = Log
sendfile = False  # it would write past what the worker keeps for slow readers
# A thread holds at most one database connection: not more threads than DATABASE_POOL_MAX.
threads = int(os.environ.get("GUNICORN_THREADS") or 8)

# Longer than a load balancer keeps an idle connection, else it may use one just closed here.
keepalive = int(os.environ.get("GUNICORN_KEEPALIVE_SECONDS") or 75)
# What a deploy waits for requests in flight; a platform kills after 30 seconds or more.
graceful_timeout = int(os.environ.get("GUNICORN_GRACEFUL_SECONDS") or 25)

# Up to 8,190 bytes reach the app, which answers with problem documents.
limit_request_line = 8190
limit_request_field_size = 8192  # gunicorn counts a field's line ending too
header_map = "drop"  # X_Real_Ip must not pass for X-Real-Ip

# The heartbeat file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

control_socket_disable = True  # nobody administers a running server through a file

logconfig_dict = logging_config(as_json=os.environ.get("DEVELOPMENT") != "1")

if os.environ.get("METRICS_TOKEN"):
    # The workers keep their numbers in one folder, so that any of them can tell all.
    # Named before prometheus_client is imported, which looks once.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(
        prefix="booking-metrics-", dir=worker_tmp_dir
    )


def child_exit(server: Any, worker: Any) -> None:
    """Forget what only a living worker has: connections, for one."""
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        for gauge in Path(folder).glob(f"gauge_live*_{worker.pid}.db"):
            gauge.unlink()


def on_exit(server: Any) -> None:
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        shutil.rmtree(folder, ignore_errors=True)
