"""Starts a worker: ``python -m syncd.worker DESCRIPTOR STATE_FOLDER``."""

import sys

from syncd.worker.process import main

if __name__ == "__main__":
    main(sys.argv[1:])
