"""Lists what the simulated account holds, and puts things there that no stack made."""

import os
import sys

from toolchain.doubles.aws import planting
from toolchain.doubles.aws.account import VARIABLE, Account, Record
from toolchain.doubles.errors import RefusedError


def lines(records: list[Record]) -> list[str]:
    """A line for each resource: type, id, and the name of the stack's resource that made it."""
    rows = [(record.token, record.identifier, record.urn.rpartition("::")[2] or "-") for record in records]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    return [f"{token:<{widths[0]}}  {identifier:<{widths[1]}}  {name}" for token, identifier, name in rows]


def main(arguments: list[str]) -> int:
    """Runs the command line; gives the exit code."""
    account = Account.from_environment(os.environ)
    if account is None:
        sys.stderr.write(f"no simulated account: name its file in {VARIABLE}\n")
        return 2
    match arguments:
        case []:
            holdings = account.look()
            found = lines(sorted(holdings.records, key=lambda record: (record.token, record.identifier)))
            sys.stdout.write("".join(f"{line}\n" for line in [f"account {holdings.account}", *(found or ["nothing"])]))
            return 0
        case ["plant", str(kind), str(place), str(name)] if kind in planting.KINDS:
            try:
                with account.change() as holdings:
                    planting.plant(holdings, kind, place, name)
            except RefusedError as error:
                sys.stderr.write(f"{error}\n")
                return 1
            return 0
        case _:
            kinds = "|".join(planting.KINDS)
            sys.stderr.write(f"usage: python -m toolchain.doubles.aws [plant {kinds} PLACE NAME]\n")
            return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
