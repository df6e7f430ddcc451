"""The WSGI application that granian and gunicorn serve."""

import os
import sys
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from booking_site.postgres.sessions import UnsafePooler, refuse_unsafe_pooler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "booking_site.settings")
os.environ["PROCESS_ROLE"] = "web"  # whatever the environment has

# Variables of a request by PEP 3333, apart from its headers and the server's `wsgi.` objects.
_OF_REQUESTS = {
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "REMOTE_ADDR",
}
_OF_PROCESS = os.environ.keys() - _OF_REQUESTS
_django = get_wsgi_application()
try:
    refuse_unsafe_pooler()
except UnsafePooler as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(3)  # by which gunicorn knows that no worker can start


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer a request without the environment variables that granian and `runserver` add.

    With them, whatever shows or sends `request.META` would disclose SECRET_KEY and DATABASE_URL.
    """
    for name in _OF_PROCESS:
        environ.pop(name, None)
    return _django(environ, start_response)
