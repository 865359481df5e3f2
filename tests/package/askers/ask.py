"""Asks the gate one question, or, with `while` and a command, one after the other for as long as the command runs."""

import json
import socket
import subprocess
import sys
import time

STATUS = {"v": 1, "ask": "status", "storage": "drbdvg", "vg": "drbdvg"}


def ask(question):
    with socket.socket(socket.AF_UNIX) as asker:
        asker.settimeout(12)
        asker.connect("/run/pve-drbd/gate.sock")
        asker.sendall(json.dumps(question).encode() + b"\n")
        return asker.makefile().readline()


if sys.argv[1] == "while":
    running = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL)
    lines = []
    while running.poll() is None:
        lines.append(ask(STATUS))
        time.sleep(0.05)
    print(json.dumps({"exit": running.returncode, "answered": sum(map(bool, lines)), "dropped": lines.count("")}))
else:
    print(ask(json.loads(sys.argv[1])).strip())
