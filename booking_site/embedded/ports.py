"""The port of the site, chosen by the user, and the next one."""

import socket

from booking_site.embedded.processes import StartupError

LAST_PORT = 65_535


def parse_port(text: str, *, command: str = "make run") -> int:
    """Return the number. Raise StartupError unless it and the next number are ports.

    `command` is the make command that the message names.
    """
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < LAST_PORT:
        limit = f"from 1 to {LAST_PORT - 1}"
        raise StartupError(f"PORT {text!r} is not a number {limit}: {command} PORT=8123")
    return int(text)


def listen(port: int, *, command: str = "make run", purpose: str = "") -> socket.socket:
    """Return a socket that listens on 127.0.0.1. Raise StartupError if the port is taken."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the site's server does
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen(socket.SOMAXCONN)
    except OSError as error:
        listening.close()
        name = f"Port {port} for {purpose}" if purpose else f"Port {port}"
        raise StartupError(
            f"{name} cannot be used ({error.strerror}); choose another: {command} PORT=8123"
        ) from error
    return listening
