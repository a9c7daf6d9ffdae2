"""The service itself, as its image runs it: `python -m scoring`, told by its own variables."""

import sys

from scoring.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
