"""The process of a detached training: `python -m agents.runs.detached RUN_FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from agents.errors import UserError
from agents.memory import keep_memory
from agents.runs.directory import RunDirectory
from agents.runs.runner import run_training
from agents.threads import rest_soon


def main() -> int:
    keep_memory()
    rest_soon()
    run = RunDirectory(Path(sys.argv[1]))
    try:
        status = run_training(run)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{status.state} at step {status.step:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
