"""``python -m runners.loadgen`` runs one shard."""

import sys

from runners.loadgen.shard import main

sys.exit(main())
