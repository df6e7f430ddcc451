#!/bin/sh
# IGNORE_EXCEPTIONS does not ignore InvalidResponse, which redis-py raises if the server is not Redis.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet Django==5.2.19 django-redis==7.0.0 redis==8.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import threading
from importlib.metadata import version
from socketserver import BaseRequestHandler, TCPServer

import django
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import InvalidResponse


class WebServer(BaseRequestHandler):
    def handle(self) -> None:
        while self.request.recv(4096):
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


server = TCPServer(("127.0.0.1", 0), WebServer)
threading.Thread(target=server.serve_forever, daemon=True).start()
settings.configure(
    CACHES={
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{server.server_address[1]}/0",
            "OPTIONS": {"IGNORE_EXCEPTIONS": True},
        }
    }
)
django.setup()
print("django-redis", version("django-redis"), "redis", version("redis"))
try:
    outcome = f"returned {cache.get('key')}"
except InvalidResponse as error:
    outcome = f"raised InvalidResponse: {error}"
print("get", outcome)
assert "InvalidResponse" in outcome, "changed"
PYTHON
