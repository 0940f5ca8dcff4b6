"""On which sockets processes can be reached, as the kernel has it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from pathlib import Path


def listening(pids: Iterable[int]) -> set[tuple[str, str, int]]:
    """(protocol, address, port) of every socket on which these processes can be reached."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                inodes.add(os.readlink(link))
            except OSError:
                continue
    found = set()
    for protocol, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == state and f"socket:[{words[9]}]" in inodes:
                address, _, port = words[1].partition(":")
                found.add((protocol, _readable(address), int(port, 16)))
    return found


def _readable(address: str) -> str:
    """An address of /proc/net: 32-bit words in this machine's byte order."""
    raw = b"".join(bytes.fromhex(address[n : n + 8])[::-1] for n in range(0, len(address), 8))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def without_resolver(sockets: set[tuple[str, str, int]]) -> set[tuple[str, str, int]]:
    """Without the two of pjsip's DNS resolver in Asterisk, at ports of the kernel's choice: one for
    each version of IP. They take answers to questions that it asked, and nothing else."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    left = set(sockets)
    for kind, address in (("udp", "0.0.0.0"), ("udp6", "::")):
        high = [entry for entry in left if entry[:2] == (kind, address) and entry[2] >= lowest]
        left -= set(high[:1])
    return left
