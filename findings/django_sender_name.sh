#!/bin/sh
# Django sends a mail whose sender's name has an unquoted comma in tests, and raises over SMTP.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet Django==5.2.19 aiosmtpd==1.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import socket
from importlib.metadata import version

import django
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from django.conf import settings
from django.core.mail import get_connection, send_mail
from django.core.management import call_command

SENDER = "Rex, Royal <tickets@rex.example>"
with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
settings.configure(DEFAULT_FROM_EMAIL=SENDER, EMAIL_HOST="127.0.0.1", EMAIL_PORT=port)
django.setup()
print("Django", version("Django"))
call_command("check")
server = Controller(Sink(), hostname="127.0.0.1", port=port)
server.start()
outcomes = {}
for name in ("locmem", "smtp"):
    backend = get_connection(f"django.core.mail.backends.{name}.EmailBackend")
    try:
        outcomes[name] = send_mail("Hi", "Hello", None, ["lena@example.com"], connection=backend)
    except ValueError as error:
        outcomes[name] = f"ValueError: {error}"
    print(f"{name}: {outcomes[name]}")
server.stop()
assert outcomes["locmem"] == 1 and "Invalid address" in str(outcomes["smtp"]), "changed"
PYTHON
