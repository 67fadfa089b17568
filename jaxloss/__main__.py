"""`python -m jaxloss` is the command `jaxloss`."""

import sys

from jaxloss.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
