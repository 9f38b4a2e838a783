"""The command `mbrl`: its commands together, and what becomes of errors."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated

import typer

from agents.errors import UserError
from agents.memory import keep_memory
from mbrl_tui.cli import agents, evaluate, fidelity, imagine, inspect, play, runs, train

app = typer.Typer(
    name="mbrl",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(play.play)
app.command()(inspect.inspect)
app.command()(imagine.imagine)
app.command()(train.train)
app.add_typer(runs.app)
app.command()(evaluate.evaluate)
app.command()(fidelity.fidelity)
app.command("agents")(agents.list_agents)


@app.callback(invoke_without_command=True)
def start(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Train reinforcement-learning agents, play with them in the terminal, and look into what they imagine.

    Begin with: mbrl play
    """
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"mbrl {installed('mbrl-tui')}")
        raise typer.Exit


def main(arguments: list[str] | None = None) -> int:
    """Run the command line (None: that of the process) and give the exit code.

    0: done; 1: an error that the person can mend, told in one line; 2: the command line cannot be understood;
    130: Ctrl-C. A failure of the program itself is raised.
    """
    _replace_closed_streams()
    keep_memory()
    try:
        given = sys.argv[1:] if arguments is None else arguments
        code = app(given or ["--help"], prog_name="mbrl", standalone_mode=False)
        sys.stdout.flush()
    except UserError as error:
        return _fail(str(error), 1)
    except typer.TyperException as error:
        return _fail(_usage(error), error.exit_code)
    except typer.Abort:
        return _fail("Nothing was done.", 1)
    except BrokenPipeError:  # the reader of our output has seen enough: `mbrl runs list | head -1`
        _discard_output()
        return 1
    except OSError as error:
        _discard_output()
        where = f" ({error.filename})" if error.filename else ""
        return _fail(f"{error.strerror or error}{where}.", 1)
    except KeyboardInterrupt:
        return 130
    return code if isinstance(code, int) else 0


def _replace_closed_streams() -> None:
    """Python has no stream at all where it was started with a closed one (`mbrl runs list >&-`)."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  # open for as long as the process


def _usage(error: typer.TyperException) -> str:
    message = error.format_message().replace("Value error, ", "")
    if not message.endswith((".", "?", ")")):
        message += "."
    context = getattr(error, "ctx", None)
    return f"{message} See: {context.command_path} --help" if context else message


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    colour = False if os.environ.get("NO_COLOR") else None  # None: where standard error is a terminal
    typer.secho(f"mbrl: {line}", fg=typer.colors.RED, err=True, color=colour)
    return code


def _discard_output() -> None:
    """What is still buffered cannot be written: spare Python a second complaint as it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
