"""The commands by name; any error becomes one line and an exit status.

Status: 0 done, 1 the archive or the program is at fault, 2 the input is wrong, 130 interrupted.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence

import typer

from evo_mtl.cli import spaces, tasks
from evo_mtl.cli.choose import choose
from evo_mtl.cli.evaluate import evaluate
from evo_mtl.cli.interruption import Interrupted
from evo_mtl.cli.offer import offer
from evo_mtl.cli.predict import predict
from evo_mtl.cli.resume import resume
from evo_mtl.cli.search import search
from evo_mtl.cli.show import show
from evo_mtl.cli.text import say
from evo_mtl.errors import EvoMtlError, InputError

USERS_FAULT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS)
"""Errors of the system that a path given by the user can cause."""

app = typer.Typer(
    name="evo-mtl",
    help="Grow one model from a stream of tasks; earlier tasks keep their answers bit for bit.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (search, resume, offer, evaluate, predict, show, choose):
    app.command()(command)
app.add_typer(tasks.app, name="tasks")
app.add_typer(spaces.app, name="spaces")


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    if version:
        from importlib.metadata import version as installed

        say(f"evo-mtl {installed('evo-mtl')}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter is no error
    try:
        status = app(list(sys.argv[1:] if arguments is None else arguments), "evo-mtl", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except InputError as error:
        return _fail(str(error), 2)
    except EvoMtlError as error:
        return _fail(str(error), 1)
    except (Interrupted, KeyboardInterrupt) as error:
        return _fail(str(error) or "interrupted", 130, kind="")
    except BrokenPipeError:
        return _reader_left()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # typer's own answer to it
            return _reader_left()
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", 2 if error.errno in USERS_FAULT else 1)
    except Exception as error:
        if (message := getattr(error, "format_message", None)) is None:
            raise
        return _fail(message(), 2)


def _fail(message: str, status: int, kind: str = "error: ") -> int:
    say(f"evo-mtl: {kind}{' '.join(message.split())}", file=sys.stderr)
    return status


def _reader_left() -> int:
    """The reader of our output has closed it (``| head``): not an error, and nothing more to print."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
