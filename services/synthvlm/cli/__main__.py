"""``synthvlm``: the command line."""

import sys
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from synthvlm.cli.app import app
from synthvlm.cli.failures import INTERRUPT_STATUS, USAGE_STATUS, CommandError, command_error
from synthvlm.cli.terminal.output import degrade_streams, printable
from synthvlm.errors import DomainError
from synthvlm.heap import put_off_full_collections


def main() -> NoReturn:
    """Runs the command line and exits: 0 done, 2 wrong usage or input, 1 any other failure."""
    put_off_full_collections()
    degrade_streams()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command.

    Returns:
        The exit status. Any problem has been reported in one line on stderr.
    """
    command = typer.main.get_command(app)
    try:
        result = command.main(args=arguments, prog_name="synthvlm", standalone_mode=False)
    except TyperException as error:
        return _usage(error)
    except CommandError as error:
        return _tell(error)
    except DomainError as error:
        return _tell(command_error(error))
    except OSError as error:  # a folder without permission, a full disk
        return _tell(
            CommandError(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
        )
    except (KeyboardInterrupt, typer.Abort):
        advice = "interrupted; run the same command again to resume"
        return _tell(CommandError(advice, status=INTERRUPT_STATUS))
    return result if isinstance(result, int) else 0


def _usage(error: TyperException) -> int:
    message = error.format_message()
    if not message:  # a command group without a command has printed its help
        return USAGE_STATUS
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "synthvlm"
    return _tell(CommandError(f"{message.rstrip('.')} (see {path} --help)", status=USAGE_STATUS))


def _tell(error: CommandError) -> int:
    sys.stderr.write(f"{printable(error.text())}\n")
    return error.status


if __name__ == "__main__":
    main()
