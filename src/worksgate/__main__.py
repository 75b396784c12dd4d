"""``python -m worksgate`` is the command line."""

from worksgate.cli import main

if __name__ == "__main__":
    main()
