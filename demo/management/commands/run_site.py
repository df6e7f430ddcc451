import os
import subprocess
import sys
from argparse import SUPPRESS
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from bookings.models import Booking
from catalog.models import Show
from demo.accounts import DEMO_ACCOUNTS

_UNLIMITED = (
    "THROTTLE_REGISTER",
    "THROTTLE_GUEST",
    "THROTTLE_HOLD",
    "THROTTLE_HOLD_ADDRESS",
    "THROTTLE_BOOKING",
    "THROTTLE_BOOKING_ADDRESS",
)


class Command(BaseCommand):
    help = (
        "Migrate, fill an empty database with demo data, start a worker and the live process, then "
        "start granian as in production."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.usage = SUPPRESS  # so a mistake is one line
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *, port: int, **options: Any) -> None:
        if not settings.DEVELOPMENT:
            raise CommandError("run_site is for development; production starts deploy/serve.")
        call_command("migrate", interactive=False, verbosity=0)
        # Also after an interrupted first start, and when the last demo show has started.
        if not (Booking.objects.exists() and Show.objects.listed().upcoming().exists()):
            call_command("seed_demo")
        connections.close_all()
        self.stdout.write(_banner(f"http://127.0.0.1:{port}"))
        self.stdout.flush()
        for name in _UNLIMITED:  # here one person plays many customers
            os.environ.setdefault(name, "")
        # These end with this process, which becomes granian's below.
        worker = [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker"]
        subprocess.Popen([*worker, f"--parent={os.getpid()}"])  # noqa: S603 (no outside input)
        os.environ["LIVE_URL"] = f"http://127.0.0.1:{port + 1}"
        _start_live_process(port)
        os.environ["PORT"] = str(port)
        # The same process, so that signals reach granian directly.
        serve = str(settings.BASE_DIR / "deploy" / "serve")
        os.execv(serve, [serve])  # noqa: S606 (no outside input)


def _start_live_process(site_port: int) -> None:
    """Serve live seats on the next port, also to pages of the site itself."""
    pages = [f"http://{host}:{site_port}" for host in ("127.0.0.1", "localhost")]
    origins = ",".join([*settings.CORS_ALLOWED_ORIGINS, *pages])
    wrapper = [sys.executable, "-m", "booking_site.embedded", "--ends-with-parent", "--"]
    subprocess.Popen(  # noqa: S603 (no outside input)
        [*wrapper, str(settings.BASE_DIR / "deploy" / "serve-live")],
        env={**os.environ, "LIVE_PORT": str(site_port + 1), "CORS_ALLOWED_ORIGINS": origins},
    )


def _banner(site: str) -> str:
    places = {"API": "/api/movies", "API docs": "/api/docs", "Back office": "/admin/"}
    lines = [f"{name:<14}{site}{path}" for name, path in places.items()]
    logins = [f"{demo.role:<14}{demo.email:<26}{demo.password}" for demo in DEMO_ACCOUNTS]
    return "\n".join(["", *lines, "", "Demo logins", *logins, "", "Ctrl-C stops everything.", ""])
