"""Tasks whose effects other processes can see."""

from pathlib import Path

from django_tasks import task


@task
def note(file: str, text: str) -> None:
    with Path(file).open("a") as notes:
        notes.write(f"{text}\n")


@task
def fail(address: str) -> None:
    raise OSError(f"{address} is not known here")


@task
def hang_once(folder: str) -> None:
    """The first time, write to the pipe `begun`, then wait for the pipe `go`."""
    if not (Path(folder) / "tried").exists():
        (Path(folder) / "tried").touch()
        with (Path(folder) / "begun").open("w") as begun:
            begun.write("yes")
        with (Path(folder) / "go").open() as go:
            go.read(1)
    note.func(f"{folder}/notes", "done")
