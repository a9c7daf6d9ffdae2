"""The first process of the node: it makes the node's own file and network view, then becomes the supervisor.

Runs as PID 1 of new PID, mount, UTS and IPC namespaces. When it ends, the kernel ends every process of the node,
unmounts what they mounted and drops their network: nothing of it is ever seen outside.
"""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from toolchain.cluster.programs import NETWORK, NETWORK_FILE, NETWORK_SETUP, NETWORK_SYSCTLS


def main() -> None:
    """Arguments: the cluster's folder, the supervisor's program, then every folder that must stay visible."""
    folder, supervisor, *visible = (Path(word) for word in sys.argv[1:])
    socket.sethostname(folder.name)
    _own_files(folder, visible)
    _run("ip", "netns", "add", NETWORK)
    for arguments in NETWORK_SETUP:
        _run("ip", "-netns", NETWORK, *arguments)
    for name in NETWORK_SYSCTLS:
        _run("nsenter", f"--net={NETWORK_FILE}", "--", "sh", "-c", f"echo 1 > /proc/sys/{name}")
    os.execv(supervisor, [str(supervisor), "--configuration", str(folder / "config" / "supervisord.conf")])  # noqa: S606 - becomes PID 1


def _own_files(folder: Path, visible: list[Path]) -> None:
    """Give the node a /run and a /var of its own, so that the usual paths are free on any machine."""
    var = folder / "var"
    for path in (var / "lib", var / "log", var / "tmp"):
        path.mkdir(parents=True, exist_ok=True)
    if not (var / "run").is_symlink():
        (var / "run").symlink_to("/run")
    masked = {Path("/var"): var, Path("/run"): folder / "run"}
    # /run holds nothing that outlives the node: sockets and the containers' runtime state.
    shutil.rmtree(masked[Path("/run")], ignore_errors=True)
    masked[Path("/run")].mkdir()
    for path in visible:
        for mask, replacement in masked.items():
            if path.is_relative_to(mask):
                point = replacement / path.relative_to(mask)
                point.mkdir(parents=True, exist_ok=True)
                _run("mount", "--bind", str(path), str(point))
    # Often a link, and often into /run: a mount needs the file itself, or a place for it in what replaces its folder.
    resolver = Path("/etc/resolv.conf").resolve()
    for mask, replacement in masked.items():
        if resolver.is_relative_to(mask):
            resolver = replacement / resolver.relative_to(mask)
            resolver.parent.mkdir(parents=True, exist_ok=True)
    resolver.touch()
    _run("mount", "--bind", str(folder / "config" / "resolv.conf"), str(resolver))
    for mask, replacement in masked.items():
        _run("mount", "--rbind", str(replacement), str(mask))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
