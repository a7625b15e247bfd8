#!/usr/bin/env python3
"""Makes a small corpus for each fuzz target: from data/sample, and from what the program itself writes.

    seeds.py LENET OUT

OUT/fuzz_idx and so on become directories with a file for each input. What each input means stands in the targets.
"""
import gzip
import io
import pathlib
import signal
import struct
import subprocess
import sys
import time

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "sample"
OPTIONS = ["--data", SAMPLE, "--arch", "lenet1", "--threads", "1", "--device", "cpu", "--train-size", "64"]

LENET, OUT = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
counts: dict[str, int] = {}


def add(target: str, *parts: bytes | str) -> None:
    """One input, of these parts."""
    folder = OUT / f"fuzz_{target}"
    folder.mkdir(parents=True, exist_ok=True)
    counts[target] = counts.get(target, 0) + 1
    (folder / str(counts[target])).write_bytes(b"".join(p.encode() if isinstance(p, str) else p for p in parts))


def lenet(*words: object) -> None:
    subprocess.run([LENET, *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop_when_there(pattern: str, *words: object) -> pathlib.Path:
    """Runs until a file is there, and then stops: it is a checkpoint."""
    process = subprocess.Popen([LENET, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (found := [path for path in OUT.glob(pattern) if not path.name.startswith(".")]):
        if process.poll() is not None:
            raise SystemExit(f"{LENET} has ended without {pattern}")
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.wait()
    return found[0]


def without_checksum(tensors: bytes) -> bytes:
    """Under a name that says nothing: what is changed in the file is then not refused for that alone."""
    return tensors.replace(b"tensors_sha256", b"tensors_sha_no")


def idx() -> None:
    def header(kind: int, *sizes: int) -> bytes:
        return struct.pack(f">HBB{len(sizes)}I", 0, kind, len(sizes), *sizes)

    with gzip.open(SAMPLE / "t10k-images-idx3-ubyte.gz") as file:
        images = header(8, 2, 28, 28) + file.read(16 + 2 * 784)[16:]
    labels = header(8, 4) + bytes([0, 1, 2, 9])
    for content, flag in ((images, 0), (labels, 4)):
        add("idx", bytes([flag]), content)
        add("idx", bytes([flag]), content, bytes(100))
        add("idx", bytes([flag]), content[:-1])
        add("idx", bytes([flag | 1]), gzip.compress(content, mtime=0))
        add("idx", bytes([flag | 1]), gzip.compress(content, mtime=0) + gzip.compress(b"", mtime=0) + bytes(9))
        add("idx", bytes([flag | 2]), content)
    for content in (
        struct.pack("<IIII", 0x803, 1, 2, 2) + bytes(4), struct.pack(">I", 0x803) + struct.pack("<III", 1, 2, 2) + bytes(4),
        header(9, 4) + b"abcd", header(11, 2, 1) + b"abcd", header(12, 1, 8) + bytes(32), header(13, 2) + bytes(8),
        header(14, 1) + b"\x7f\xf8" + bytes(6), header(8, 1, 2, 2, 3) + bytes(12), b"<!doctype html><p>", b"PK\3\4", b"{}",
        b"version https://git-lfs.github.com/spec/v1", "\ufefftext".encode(), "text".encode("utf-16"), b"", b"\x1f\x8b",
    ):  # fmt: skip
        add("idx", b"\0", content)
        add("idx", b"\2", content)


def image() -> None:
    with gzip.open(SAMPLE / "t10k-images-idx3-ubyte.gz") as file:
        digit = Image.frombytes("L", (28, 28), file.read(16 + 784)[16:])
    paper = Image.new("L", (34, 31), 230)
    paper.paste(Image.eval(digit, lambda grey: 230 - grey * 3 // 4), (4, 2))
    for picture in (digit, paper, digit.resize((5, 7))):
        for mode in ("L", "RGB", "RGBA", "P", "LA", "1", "I;16"):
            saved = io.BytesIO()
            picture.convert("I" if mode == "I;16" else mode).convert(mode).save(saved, "PNG")
            add("image", saved.getvalue())
        for mode, options in (("L", {}), ("RGB", {"progressive": True}), ("CMYK", {"quality": 30})):
            saved = io.BytesIO()
            picture.convert(mode).save(saved, "JPEG", **options)
            add("image", saved.getvalue())
        for mode in ("L", "RGB"):
            saved = io.BytesIO()
            picture.convert(mode).save(saved, "PPM")
            add("image", saved.getvalue())
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("PNG", "JPEG"):
        saved = io.BytesIO()
        paper.save(saved, kind, exif=exif)
        add("image", saved.getvalue())
    for text in ("P2 # grey\n3 2 9\n0 1 2\n7 8 9\n", "P3 1 2 255 1 2 3 4 5 6", "P5 2 2 65535 abcdefgh", "GIF89a", "a text"):
        add("image", text)


def text_inputs() -> None:
    for command, words in enumerate((
        "--epochs 3 --lr 0.1 --augment standard --freeze C1,C3", "--run a --ensemble", "--arch lenet4 --activation tanh",
        "--arch lenet5-1998 --entries 3", "--batch=8 --networks 3", "--out a --lr 0.1 --shard 1/2", "--by lr,batch --best 3",
        "--run a --format c --bits 4", "--as-is --show x.png --batchsize 4",
    )):  # fmt: skip
        add("options", bytes([command]), words.replace(" ", "\n"))
    for option in range(128):
        add("options", bytes([option % 9, 0x80 + option]), "1")
        add("axes", bytes([0x80 + option]), "0.5,1")
    for words in (
        "--out a --lr 0.01,0.02 --seed 0..31", "--lr lin:0..1:5 --momentum log:0.1..0.9:3", "--lr log:1e-4..1 --samples 9",
        "--batch 8,16..64 --arch lenet1,lenet5 --shard 2/8", "--augment none,standard,shift=2+rotate=3 --augment-shift 1,2",
        "--lr 0,05", "--samples 3 --batch lin:8..64 --beta2 0.9 --weight-decay 0,1e-3", "--freeze none,C1+C3 --seed 3,3,3",
    ):  # fmt: skip
        add("axes", words.replace(" ", "\n"))
    for text in ("cat\ndog\n", "\ufeffeins\r\nzwei drei\r\n", "", "\n", "a\tb\n", "x" * 70, "a\n" * 70, b"\xc3\xa9\n\xff\n"):
        add("classes", text)
    files = "train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte".split()
    for where, names in (
        ("", files), ("", [name + ".gz" for name in files]), ("", [f"emnist-{name}" for name in files]), ("nothing", []),
        ("kmnist", [f"kmnist-{name}" for name in files]), ("", ["archive.zip"]), ("", ["run.json", "my_train_images_v2"]),
        ("", [files[0] + " (1).gz", files[0].upper(), "x.csv"]),
    ):  # fmt: skip
        add("data_dir", "\n".join([where, *names]))


def made_by_the_program() -> None:
    run, stopped, sweep, held = (OUT / f"made/{name}" for name in ("run", "stopped", "sweep", "held"))
    lenet("train", *OPTIONS, "--run", run, "--epochs", 3, "--validation", 8)
    lenet("eval", "--run", run, "--data", SAMPLE, "--predictions", OUT / "made/predictions", "--predictions-of", "both",
          "--predictions-loss")  # fmt: skip
    checkpoint = stop_when_there(
        "made/stopped/last.safetensors", "train", *OPTIONS, "--run", stopped, "--epochs", 1000000, "--checkpoint-seconds", 0.1
    )
    lenet("sweep", *OPTIONS, "--out", sweep, "--epochs", 2, "--seed", "1..2", "--lr", "0.01,1e6", "--keep-weights",
          "--keep-predictions")  # fmt: skip
    population = stop_when_there(
        "made/held/progress/*.safetensors", "sweep", *OPTIONS, "--out", held, "--epochs", 1000000, "--seed", "1..2",
        "--checkpoint-seconds", 0.1,
    )  # fmt: skip
    kept = [run / "last.safetensors", OUT / "made/predictions", checkpoint, population, *sweep.glob("*/*.safetensors")]
    for tensors in (path.read_bytes() for path in kept):
        for form in (tensors, without_checksum(tensors)):
            add("weights", form)
            add("kept", form)
            for flags in (0, 1, 6, 7):
                add("checkpoint", bytes([flags]), form)
            for flags in range(0, 6, 2):
                add("from", bytes([flags]), form)
    for directory in (run, stopped):
        add("run_json", (directory / "run.json").read_bytes())
        for step in (0, 5, 255):
            add("metrics", bytes([step]), (directory / "metrics.jsonl").read_bytes()[:4096])
    add("run_json", (run / "run.json").read_bytes().replace(b"lenet1", b"lenet5-1998"))
    add("sweep_json", (sweep / "sweep.json").read_bytes())
    for metric in range(7):
        add("runs", bytes([metric]), (sweep / "runs.jsonl").read_bytes())


idx()
image()
text_inputs()
made_by_the_program()
