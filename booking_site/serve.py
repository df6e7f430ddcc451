"""Start the server that SERVER names, in this process: `python -m booking_site.serve [MODULE]`.

gunicorn (gunicorn.conf.py) keeps slow clients out of its threads, and is the default.
granian does the work of HTTP outside Python; docs/operations.md says when it is fit.
"""

import os
import sys

from booking_site import granian_server

SERVERS = ("gunicorn", "granian")


def main(arguments: list[str]) -> None:
    module = arguments[0] if arguments else "booking_site.wsgi"
    server = os.environ.get("SERVER") or SERVERS[0]
    if server not in SERVERS:
        sys.exit(f"SERVER is none of {', '.join(SERVERS)}.")
    if "GLIBC_TUNABLES" not in os.environ:
        # Where Linux leaves large pages to who asks for them, hashing a password costs a tenth less
        # in them. glibc reads this when a program starts, and granian's workers start none.
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        _become("booking_site.serve", *arguments)
    if server == "granian":
        granian_server.serve(module)
    else:
        _become("gunicorn", module)


def _become(*module: str) -> None:
    command = [sys.executable, "-m", *module]
    os.execv(sys.executable, command)  # noqa: S606 (whoever starts it names the module)


if __name__ == "__main__":
    main(sys.argv[1:])
