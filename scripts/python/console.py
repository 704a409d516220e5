"""What the scripts share: lines for the user on stderr, errors that say what to do, and exit codes."""

import sys


class Failure(Exception):
    """An error for the user: a message that says what to do, and the exit code."""

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


class Console:
    """Speaks to the user of one program."""

    def __init__(self, program):
        self.program = program

    def say(self, text):
        print(f"{self.program}: {text}", file=sys.stderr, flush=True)

    def run(self, main, cache):
        """Exit as `main` ends; `cache` is the folder that its files are in."""
        try:
            sys.exit(main())
        except Failure as failure:
            self.say(failure)
            sys.exit(failure.code)
        except OSError as error:
            self.say(f"{error} (all files are in {cache}; KARAT_CACHE chooses another folder)")
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)
