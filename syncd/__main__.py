"""Starts the command line: ``python -m syncd`` and the console script ``syncd``."""

from syncd.cli.main import main

if __name__ == "__main__":
    main()
