"""Processes that use the published database as analysts do; started by tests, told to stop by a file.

    python warehouse_clients.py loop|hold|write DATABASE STOP

`loop` opens, looks and closes; `hold` keeps each connection for a while; `write` opens it for writing, which is what
`duckdb.connect` does unless told otherwise. Each prints what it saw as one JSON line; `write` says when it tries.
"""

import json
import os
import sys
import time
from pathlib import Path

import duckdb

LOOK = "SELECT (SELECT snapshot FROM build), count(*), min(seen), max(seen) FROM digests"


def main() -> None:
    role, database, stop = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if os.getuid() == 0:
        # As root no permission holds; analysts are not root.
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    if role == "write":
        write(database)
        return
    seen, opened, errors, newest = [], 0, [], 0
    last = False
    while not last:
        last = stop.exists()  # then once more, to see what came last
        try:
            with duckdb.connect(database, read_only=True) as connection:
                opened += 1
                for _ in range(1 if role == "loop" else 5):
                    snapshot, rows, low, high = connection.execute(LOOK).fetchone()
                    if rows != 1000 or not low == high == snapshot or snapshot < newest:
                        errors.append(
                            f"snapshot {snapshot} after {newest}: {rows} rows, {low} to {high}"
                        )
                    if role == "hold":
                        time.sleep(0.1)
            newest = snapshot
            seen.append(snapshot)
        except Exception as error:  # noqa: BLE001 - the test asks what it was
            errors.append(f"{type(error).__name__}: {error}")
    print(json.dumps({"opened": opened, "seen": sorted(set(seen)), "errors": errors}), flush=True)


def write(database: str) -> None:
    while True:
        try:
            connection = duckdb.connect(database)
        except Exception as error:  # noqa: BLE001 - the test asks what it was
            print(json.dumps({"refused": str(error)}), flush=True)
            time.sleep(0.01)
        else:
            connection.execute("DELETE FROM digests")
            print(json.dumps({"wrote": True}), flush=True)
            time.sleep(60)


if __name__ == "__main__":
    main()
