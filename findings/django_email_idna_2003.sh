#!/bin/sh
# Django sends mail for a domain with ß to another domain: it encodes by IDNA 2003, where ß becomes ss.
# Its validator also accepts U+017F, a long s, as a letter of the part before the @.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet Django==5.2.19 idna==3.20
"$folder/venv/bin/python" - <<'PYTHON'
import django
import idna
from django.conf import settings

settings.configure()
from django.core.exceptions import ValidationError
from django.core.mail.message import sanitize_address
from django.core.validators import validate_email

print("Django", django.__version__, "idna", idna.__version__)
sent_to = sanitize_address("u@stra\u00dfe.example", "utf-8")
right = "u@" + idna.encode("stra\u00dfe.example", uts46=True).decode()
print("u@stra\u00dfe.example is sent to", sent_to, "and belongs to", right)
try:
    validate_email("\u017fue@example.com")
    accepted = True
except ValidationError:
    accepted = False
print("the validator", "accepts" if accepted else "refuses", "\u017fue@example.com")
assert (sent_to, right) == ("u@strasse.example", "u@xn--strae-oqa.example"), "changed"
assert accepted, "changed"
PYTHON
