"""`python -m training`, for `torchrun -m training`: the commands that `ganymede` also has."""

import sys

from training import cli

COMMANDS = {"train": cli.train, "evaluate": cli.evaluate, "export": cli.export, "directions": cli.directions}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: python -m training {{{'|'.join(COMMANDS)}}} …")
    sys.exit(COMMANDS[sys.argv[1]](sys.argv[2:]))
