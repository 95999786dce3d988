"""The command line: a table of commands, one thin function each, loaded only when asked for."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts import App

UNEXPECTED = 70
"""Exit code of an error nobody foresaw (sysexits' EX_SOFTWARE)."""
INTERRUPTED = 130
PIPE_CLOSED = 141

COMMANDS = {
    "measure": "Measure pulse, breathing and heart-rate variability of recordings.",
    "live": "Watch the pulse of a camera, or of a file played in real time.",
    "demo": "Make a face video with known vitals, measure it, and compare.",
    "data": "Look into data sets, check their references, cache what methods and networks eat.",
    "bench": "Score methods on data sets, as the field does and better.",
    "score": "Score predicted pulse waves against labels as the rPPG-Toolbox does.",
    "train": "Train a network as a recipe says.",
    "teacher": "Teach a teacher of captions what rates look like, and keep what it says.",
    "explain-gates": "Show how far a policy believes its teacher, clip by clip.",
    "export": "Make a trained network into a bundle that measures.",
    "import": "Make weights that others published into a bundle that measures.",
    "synth": "Make folders of face videos whose pulse and breathing are known.",
    "methods": "List the methods, or tell everything about one.",
}

GROUPS = ("data", "teacher")
"""Commands that have commands of their own."""

WORDS = {"explain-gates": "explain_gates", "import": "adopt"}
"""Commands whose names cannot be names of the language."""


def build_app() -> App:
    """Return the program; each command's module is imported only when that command runs."""
    from cyclopts import App

    import perfuse

    app = App(
        name="perfuse",
        help="Pulse, breathing and heart-rate variability from an ordinary face video, with honest error bars.",
        help_epilogue="Try: perfuse demo. Not a medical device.",
        version=perfuse.__version__,
        suppress_keyboard_interrupt=False,
    )
    for name, help_line in COMMANDS.items():
        module = WORDS.get(name, name)
        thing = "app" if name in GROUPS else module
        app.command(f"perfuse.cli.{module}:{thing}", name=name, help=help_line)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (listed in ``docs/errors.md``).

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the program's name; those of the process by default.
    """
    _prepare()
    try:
        return _run(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:
        print("\nperfuse: stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left; nothing is lost.
        _close_output()
        return PIPE_CLOSED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return fail(error)
        from perfuse.core.errors import OutputError

        _close_output()
        return fail(OutputError("Standard output cannot be written: the device is full.", "Write somewhere else."))
    except Exception as error:
        return fail(error)


def _close_output() -> None:
    """Send what is still buffered nowhere: the interpreter must not complain about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(error: Exception, about: str = "") -> int:
    """Tell an error on stderr, with what to do below it, and return its exit code.

    Parameters
    ----------
    error : Exception
        A :class:`PerfuseError` is told in its own words; anything else is a defect of ours, and is raised again
        where ``PERFUSE_TRACEBACK`` is set.
    about : str
        What was being worked on.
    """
    from perfuse.core.errors import PerfuseError

    if isinstance(error, PerfuseError):
        problem, remedy, code = error.problem, error.remedy, error.exit_code
    elif os.environ.get("PERFUSE_TRACEBACK"):
        raise error
    else:
        problem = f"sorry, this should not happen{about and ' with ' + about} ({type(error).__name__}: {error})."
        remedy = "Set PERFUSE_TRACEBACK=1 and run it again to see where; please report it."
        code = UNEXPECTED
    print(f"perfuse: {problem}", *([f"  {remedy}"] if remedy else []), sep="\n", file=sys.stderr)
    return code


def _run(arguments: list[str]) -> int:
    from cyclopts import CycloptsError, UnknownOptionError

    from perfuse.core.errors import UsageError

    try:
        code = build_app()(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        if isinstance(error, UnknownOptionError) and error.token.value == "-":
            remedy = "Save the recording to a file and give that."
            raise UsageError("Standard input (-) was given; nothing reads it.", remedy) from error
        raise UsageError(str(error), "See: perfuse --help, or perfuse COMMAND --help.") from error
    sys.stdout.flush()
    return int(code or 0)


def _prepare() -> None:
    """Set up the process before numpy is imported."""
    # Our matrices are small: waking a pool of threads for each costs more than it saves.
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # started without one (a service, `>&-`): nobody listens, which is no error
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
