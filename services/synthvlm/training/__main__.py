"""``python -m torch.distributed.run … -m synthvlm.training --request FILE.json``."""

import argparse
import sys
import traceback
from pathlib import Path

from synthvlm.errors import DomainError, OperationCancelled
from synthvlm.heap import keep_what_is_there, put_off_full_collections
from synthvlm.jobs.asked import REQUEST_HELP
from synthvlm.jobs.events import JobEvent, State, emit
from synthvlm.training.request import read_request

FAILED_STATUS = 1
INVALID_STATUS = 2
"""Exit status where trying again cannot help."""


def main() -> int:
    """Trains what the request asks for, as one of the processes that do; returns the status."""
    parser = argparse.ArgumentParser(prog="python -m synthvlm.training", description=__doc__)
    parser.add_argument("--request", type=Path, metavar="FILE", help=REQUEST_HELP)
    request_file = parser.parse_args().request
    put_off_full_collections()
    from synthvlm.training.processes import STOPPED_STATUS, Processes, StopSignal

    stop = StopSignal()
    stop.install()
    processes: Processes | None = None
    try:
        request = read_request(request_file)
        processes = Processes(request.settings())
        from synthvlm.training.stages import train

        keep_what_is_there()
        outcome = train(request, processes, stop, emit)
        if processes.is_first:
            values = {
                "path": outcome.model.ref.path,
                "digest": outcome.model.ref.digest,
                "records": outcome.model.ref.records,
                "found": outcome.found,
            }
            emit(JobEvent(State.FINISHED, values=values))
        processes.end()
    except OperationCancelled as error:
        if processes is not None and processes.is_first:
            emit(JobEvent(State.STOPPED, code=error.code, reason=error.message))
        return STOPPED_STATUS
    except DomainError as error:
        if processes is None or processes.is_first:
            emit(JobEvent(State.FAILED, code=error.code, reason=error.message))
        return INVALID_STATUS if error.code == "INVALID_ARGUMENT" else FAILED_STATUS
    except Exception as error:
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
        emit(JobEvent(State.FAILED, code="UNKNOWN", reason=reason))
        return FAILED_STATUS
    return 0


if __name__ == "__main__":
    sys.exit(main())
