"""Opens many streams of one show, and reports when an event has reached all of them.

`python -m benchmarks.listeners PORT SHOW COUNT` prints a line once all streams are open, and then
for each event the times of the first, the average and the last arrival (`time.monotonic`, the same
clock in all processes of a machine).
"""

import json
import resource
import selectors
import socket
import sys
import time

OPENING = 200  # at a time
REQUEST = (
    "GET /api/shows/{show}/seats/events HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n"
    "X-Forwarded-For: 10.{a}.{b}.1\r\nAccept: text/event-stream\r\nAccept-Language: en-GB,en\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nOrigin: https://cinema.example\r\n\r\n"
)


def main(port: int, show: int, count: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
    selector = selectors.EpollSelector()
    opened = begun = 0
    arrivals: list[list[float]] = []
    events: dict[int, int] = {}
    while True:
        while begun < count and begun - opened < OPENING:
            stream = socket.create_connection(("127.0.0.1", port))
            text = REQUEST.format(show=show, a=begun // 250, b=begun % 250)
            stream.sendall(text.encode())
            selector.register(stream, selectors.EVENT_READ)
            begun += 1
        for key, _ in selector.select():
            received = key.fileobj.recv(1 << 18)  # type: ignore[union-attr] # a socket
            if not received:
                sys.exit(f"A stream ended. {opened} were open.")
            if b"event: map" in received:
                opened += 1
                if opened == count:
                    print(json.dumps({"open": opened}), flush=True)
            if b"event: seats" in received:
                number = events[key.fd] = events.get(key.fd, -1) + 1
                if number == len(arrivals):
                    arrivals.append([])
                arrivals[number].append(time.monotonic())
                if len(arrivals[number]) == count:
                    times = arrivals[number]
                    report = {"first": times[0], "mean": sum(times) / count, "last": times[-1]}
                    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
