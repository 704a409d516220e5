"""The DSPy that karat's state files are compared with, in a virtual environment of its own.

  scripts/dspy-env          install what is missing (about 350 MB on disk, once), then print the path of its Python

What is installed is in tests/parity/requirements.txt; it comes through pip, with your own pip settings. It lives in
$KARAT_CACHE, or $XDG_CACHE_HOME/karat, or ~/.cache/karat; once installed, nothing asks the network again.

Exit codes: 0 done; 1 failed (the message says what to do); 2 wrong usage; 75 the package registry cannot be reached.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from console import Console, Failure

try:
    import fcntl
except ImportError:
    sys.exit("dspy-env: needs Linux or macOS (on Windows: WSL)")

REQUIREMENTS = Path(__file__).resolve().parent.parent.parent / "tests" / "parity" / "requirements.txt"
CACHE = Path(
    os.environ.get("KARAT_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "karat"
).absolute()
# A virtual environment belongs to one Python version, so its folder's name carries it.
VENV = CACHE / "dspy-py{}.{}".format(*sys.version_info)
VENV_PYTHON = VENV / "bin" / "python"
VENV_COMPLETE = VENV / "complete"  # holds the requirements that are installed
EXIT_NO_REGISTRY = 75


CONSOLE = Console("dspy-env")
say = CONSOLE.say


def is_complete(requirements):
    return VENV_PYTHON.exists() and VENV_COMPLETE.exists() and VENV_COMPLETE.read_text() == requirements


def install(requirements):
    if VENV.exists():
        say("the environment is incomplete, damaged or of other versions: installing it again")
        shutil.rmtree(VENV)
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if made.returncode != 0:
        raise Failure(
            "cannot create a Python virtual environment. Debian and Ubuntu keep the module for it "
            f"in a package of its own: apt install python3-venv\n{made.stdout.strip()}"
        )
    what = ", ".join(requirements.split())
    say(f"fetching {what} and what it needs with pip; this takes a minute or two ...")
    options = ["--prefer-binary", "--progress-bar=off", "--no-input", "--retries=2", "--requirement", str(REQUIREMENTS)]
    pip = subprocess.run(
        [VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", "install", *options],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        close_fds=False,
    )  # fmt: skip
    if pip.returncode != 0:
        tail = "\n".join(pip.stdout.strip().splitlines()[-6:])
        if re.search(r"Retrying \(|Could not fetch URL|HTTPError|HTTP error|Timeout|Connection", pip.stdout):
            raise Failure(
                f"pip cannot reach the package registry to fetch {what}. Check the network and pip's settings (proxy, "
                f"index, certificates: `pip config list`), then try again. pip said:\n{tail}",
                EXIT_NO_REGISTRY,
            )
        raise Failure(f"pip cannot install {what}: perhaps not for this version of Python. pip said:\n{tail}")
    check = subprocess.run(
        [VENV_PYTHON, "-c", "import dspy"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "DSPY_CACHEDIR": str(VENV / "dspy-cache")},  # else it makes a folder in the user's home
    )  # fmt: skip
    if check.returncode != 0:
        raise Failure(f"DSPy does not load on this machine\n{check.stdout.strip()}")
    VENV_COMPLETE.write_text(requirements)


def main():
    if sys.argv[1:]:
        print(__doc__.strip(), file=sys.stderr)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    requirements = REQUIREMENTS.read_text()
    CACHE.mkdir(parents=True, exist_ok=True)
    # The kernel drops the lock however this process ends; a pip that outlives it still holds it.
    with open(CACHE / "dspy.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), True)
        if not is_complete(requirements):
            install(requirements)
    print(VENV_PYTHON)


def run():
    CONSOLE.run(main, CACHE)
