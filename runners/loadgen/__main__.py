"""``python -m runners.loadgen``: one shard."""

import sys

from runners.loadgen.shard import main

sys.exit(main())
