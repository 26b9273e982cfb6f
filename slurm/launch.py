"""Entry point of a job: ``python -m slurm.launch FOLDER`` starts Submitit with its signal blocked.

Submitit's USR2 may arrive while Python is still importing; it would then end the job without a requeue.
It is therefore blocked first; `slurm.work` unblocks it once a handler is installed.
"""

from __future__ import annotations

import signal

BLOCKED_SIGNALS = {signal.SIGUSR2}


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED_SIGNALS)
    from submitit.core.submission import submitit_main

    from slurm.log_paths import keep_folders

    keep_folders()
    submitit_main()


if __name__ == "__main__":
    main()
