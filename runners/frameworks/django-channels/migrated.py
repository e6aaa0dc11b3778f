"""Creates the tables of the channel layer, as a deployment does before its servers start, then becomes the command."""

import os
import subprocess
import sys

if __name__ == "__main__":
    subprocess.run([sys.executable, "-m", "django", "migrate", "--verbosity", "0"], check=True)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
