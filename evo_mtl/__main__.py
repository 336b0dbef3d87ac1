"""``python -m evo_mtl`` is ``evo-mtl``."""

import sys

from evo_mtl.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
