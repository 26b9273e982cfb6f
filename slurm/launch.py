"""How a job starts: ``python -m slurm.launch FOLDER``, Submitit's own start with its signal held back.

Submitit's USR2 may come while Python still imports, and would end a job that nobody then puts back into the queue.
It is blocked first of all; `slurm.work` lets it through once there is a handler.
"""

from __future__ import annotations

import signal

HELD = {signal.SIGUSR2}


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    from submitit.core.submission import submitit_main

    from slurm.log_paths import keep_folders

    keep_folders()
    submitit_main()


if __name__ == "__main__":
    main()
