#!/usr/bin/env python3
"""test_rooms.py - a room of the house includes only rooms below it, and ARCHITECTURE.md names them all.

A room is a folder of src/, or cuda/. A public header, include/lenet/X.h, belongs to the room that has X.c; five have
none. The files of cli/ are named after its commands and have no public header.
"""
import re
import shutil
import sys
import tempfile
from pathlib import Path

# From the bottom; rooms on one floor do not know each other.
FLOORS = [["base"], ["ops"], ["cpu", "cuda", "data", "image"], ["net"], ["train"], ["check", "sweep", "export"], ["cli"]]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
WITHOUT_SOURCE = {"ops": "ops", "backend": "ops", "status": "base", "version": "base", "metrics": "train"}
ROOT = Path(__file__).resolve().parents[2]


def room_of(path, root):
    """The room of a file's path relative to root."""
    if path.parts[0] == "cuda":
        return "cuda"
    if path.parts[0] == "src":
        return path.parts[1]
    stem = path.stem
    if stem in WITHOUT_SOURCE:
        return WITHOUT_SOURCE[stem]
    homes = [home for home in sorted((root / "src").glob(f"*/{stem}.c")) if home.parent.name != "cli"]
    assert len(homes) == 1, f"{path}: {len(homes)} sources of its name, wanted one room"
    return homes[0].parent.name


def included_file(name, includer, root):
    """The file of the project that an include names, relative to root."""
    for folder in (Path("include"), Path("src"), Path("cuda"), includer.parent):
        if (root / folder / name).is_file():
            return folder / name
    return None


def faults_of(root):
    faults = []
    files = [f for folder in ("src", "cuda", "include") for f in sorted((root / folder).rglob("*"))
             if f.suffix in (".c", ".h", ".cu", ".cuh")]
    assert len(files) > 60, f"only {len(files)} sources found below {root}"
    for file in files:
        here = file.relative_to(root)
        room = room_of(here, root)
        if room not in FLOOR:
            faults.append(f"{here}: '{room}' is no room that this test knows")
            continue
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', file.read_text(), re.M):
            there = included_file(name, here, root)
            if there is None:
                faults.append(f'{here}: "{name}" is not found from include/, src/ or cuda/')
                continue
            other = room_of(there, root)
            if other != room and FLOOR.get(other, len(FLOORS)) >= FLOOR[room]:
                faults.append(f"{here} ({room}) includes {there} ({other}), which is not below it")
    page = root / "ARCHITECTURE.md"
    text = page.read_text() if page.is_file() else ""
    faults += [f"ARCHITECTURE.md does not name {room}/" for room in FLOOR if f"{room}/" not in text]
    return faults


def planted(root, path, line):
    """The faults of a copy of the tree with one more line in a file."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for folder in ("src", "cuda", "include"):
            shutil.copytree(root / folder, copy / folder)
        shutil.copy(root / "ARCHITECTURE.md", copy)
        target = copy / path
        target.write_text(line + "\n" + target.read_text())
        return faults_of(copy)


def main():
    faults = faults_of(ROOT)
    for path, line in (("src/net/network.c", '#include "train/run_dir.h"'), ("src/base/json.h", '#include "lenet/ops.h"'),
                       ("src/check/eval.c", '#include "lenet/sweep.h"'), ("src/cpu/conv.c", '#include "gpu.cuh"')):
        if not any(path in fault for fault in planted(ROOT, path, line)):
            faults.append(f"{line} in {path} was not noticed")
    print("\n".join(faults) if faults else f"{len(FLOOR)} rooms, each including only those below it")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
