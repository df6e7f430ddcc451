"""A TCP proxy in front of PostgreSQL that cuts connections at COMMIT: `… PORT TO_PORT`.

A line `before 3`, `during 3` or `after 3` on standard input makes it cut the
next three commits: before PostgreSQL receives them, right after they were sent
to it, or after it has answered but before the answer is passed on. `lose 3`
drops the commits and leaves the connections open.
"""

import asyncio
import sys
from collections import deque

# Ends the text of a statement in PostgreSQL's protocol, sent alone or behind the writes.
COMMIT = b"COMMIT\x00"
CHUNK = 1 << 16

cuts: deque[str] = deque()


async def serve(client: asyncio.StreamReader, to_client: asyncio.StreamWriter, port: int) -> None:
    writers = [to_client]
    try:
        server, to_server = await asyncio.open_connection("127.0.0.1", port)
        writers.append(to_server)
        answers = asyncio.create_task(_pass_on(server, to_client))

        def hang_up(_: object) -> None:
            to_client.close()

        # When one side ends, the other must not wait.
        answers.add_done_callback(hang_up)
        while chunk := await client.read(CHUNK):
            if cuts and COMMIT in chunk:
                if (when := cuts.popleft()) == "lose":
                    continue
                # The client must not learn of it before PostgreSQL has done its part.
                answers.remove_done_callback(hang_up)
                await _cut(when, chunk, answers, server, to_server)
                break
            to_server.write(chunk)
            await to_server.drain()
        answers.cancel()
    except OSError:
        pass  # broken connections are the purpose of this proxy
    finally:
        for writer in writers:
            writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass


async def _cut(
    when: str,
    chunk: bytes,
    answers: asyncio.Task[None],
    server: asyncio.StreamReader,
    to_server: asyncio.StreamWriter,
) -> None:
    answers.cancel()
    await asyncio.wait([answers])
    if when == "before":
        return
    to_server.write(chunk)
    await to_server.drain()
    if when == "after":
        await server.read(CHUNK)


async def main(port: int, to_port: int) -> None:
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    listener = await asyncio.start_server(
        lambda reader, writer: serve(reader, writer, to_port), "127.0.0.1", port
    )
    async with listener:
        while line := await commands.readline():
            when, count = line.decode().split()
            cuts.extend([when] * int(count))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
