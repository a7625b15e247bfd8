#!/usr/bin/env python3
"""own_digits.py - how well lenet predict reads pictures of digits: test digits drawn as pictures of many kinds.

Each kind is made in a temporary directory from the same test digits, and read by lenet predict. The table compares the
accuracy with that of the digits as they are. A second one counts blank sheets in bad light in which a digit is seen.
Needs numpy and Pillow.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]
import endings  # noqa: E402,F401
from needs import need  # noqa: E402

need("numpy", "PIL", packages="python3-numpy python3-pil")
import numpy as np  # noqa: E402
from PIL import Image, ImageDraw, ImageFilter  # noqa: E402
from plot_run import read_idx  # noqa: E402

SMOOTH = [Image.BILINEAR, Image.BICUBIC, Image.LANCZOS]

# ---- drawing: ink is an array of 0 (paper) to 1 (ink), light an array of 0 to 255 -----------------------------------


def enlarged(digit, side, rng):
    """The digit's 28 x 28 pixels as side x side."""
    if side == 28:
        return digit / 255
    image = Image.fromarray(digit).resize((side, side), SMOOTH[rng.integers(3)])
    return np.asarray(image) / 255


def ink_box(ink, margin=0):
    """The part of the ink that is not empty, and some margin."""
    rows, columns = np.flatnonzero((ink > 0.3).any(1)), np.flatnonzero((ink > 0.3).any(0))
    part = ink[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    return np.pad(part, margin)


def placed(ink, height, width, rng):
    """The ink somewhere on a larger sheet."""
    part = ink_box(ink)
    sheet = np.zeros((height, width))
    y, x = (rng.integers(edge, max(n - m - edge, edge + 1))
            for n, m, edge in ((height, part.shape[0], height // 20), (width, part.shape[1], width // 20)))
    sheet[y:y + part.shape[0], x:x + part.shape[1]] = part[:height - y, :width - x]
    return sheet


def gradient(shape, rng, strength):
    """Light that changes by this factor from one side to the other, about 1 in the middle."""
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    return 1 + strength * (np.cos(angle) * x + np.sin(angle) * y)


def written(ink, rng, paper=(150, 225), rest=(0.15, 0.5), light=0.3, noise=(2, 10)):
    """Ink on paper in uneven light; of the light, ink leaves a rest."""
    brightness = rng.uniform(*paper) * gradient(ink.shape, rng, rng.uniform(0.1, light))
    picture = brightness * (1 - (1 - rng.uniform(*rest)) * ink)
    return picture + rng.normal(0, rng.uniform(*noise), ink.shape)


def as_bytes(picture):
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)


def flipped(picture, rng):
    return 255 - picture if rng.random() < 0.5 else picture


# ---- kinds: each makes an image of a digit --------------------------------------------------------------------------


def sizes(digit, side, rng):
    """three sizes, inverted at random"""
    return Image.fromarray(flipped(as_bytes(255 * enlarged(digit, side, rng)), rng))


def paper(digit, side, rng):
    """on grey paper with a gradient of light and noise"""
    return Image.fromarray(as_bytes(written(enlarged(digit, side, rng), rng, noise=(3, 12))))


def large_sheet(digit, _, rng):
    """small on a large white sheet"""
    side = int(rng.integers(40, 160))
    height, width = rng.integers(4 * side, min(10 * side, 1000), 2)
    ink = placed(enlarged(digit, side, rng), height, width, rng)
    return Image.fromarray(as_bytes(written(ink, rng, paper=(220, 250), light=0.11, noise=(0, 3))))


def cut_out(digit, side, rng):
    """cut out along the ink"""
    ink = ink_box(enlarged(digit, max(side, 60), rng), int(rng.integers(0, 4)))
    return Image.fromarray(flipped(as_bytes(20 + 215 * ink), rng))


def thickened(digit, side, rng, radius):
    ink = enlarged(digit, 300, rng)
    image = Image.fromarray(as_bytes(255 * np.pad(ink, 30)))
    pen = ImageFilter.MaxFilter if radius > 0 else ImageFilter.MinFilter
    image = image.filter(pen(2 * abs(radius) + 1)).filter(ImageFilter.GaussianBlur(2))
    return np.asarray(image.resize((max(side, 60),) * 2, Image.BOX)) / 255


def felt_pen(digit, side, rng):
    """thick strokes"""
    return Image.fromarray(as_bytes(written(thickened(digit, side, rng, int(rng.integers(4, 9))), rng)))


def skeleton(ink):
    """Lines one pixel wide, by Zhang and Suen's thinning."""
    on = np.pad(ink > 0.5, 1)
    changed = True
    while changed:
        changed = False
        for step in range(2):
            p = [np.roll(on, (-dy, -dx), (0, 1)) for dy, dx in
                 ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))]
            neighbours = sum(q.astype(int) for q in p)
            turns = sum((~p[i] & p[(i + 1) % 8]).astype(int) for i in range(8))
            one, other = ((0, 2, 4), (2, 4, 6)) if step == 0 else ((0, 2, 6), (0, 4, 6))
            gone = on & (neighbours >= 2) & (neighbours <= 6) & (turns == 1)
            gone &= ~(p[one[0]] & p[one[1]] & p[one[2]]) & ~(p[other[0]] & p[other[1]] & p[other[2]])
            changed |= gone.any()
            on &= ~gone
    return on[1:-1, 1:-1]


def fine_pen(digit, _, rng):
    """lines of one to three pixels on 200"""
    line = Image.fromarray(as_bytes(255 * skeleton(enlarged(digit, 200, rng))))
    width = int(rng.integers(1, 3))
    line = line.filter(ImageFilter.MaxFilter(3)) if width == 2 else line
    return Image.fromarray(as_bytes(written(np.asarray(line) / 255, rng, noise=(0, 4))))


def photograph(digit, side, rng):
    """blurred, with a vignette, the edge of a shadow, noise and JPEG's artefacts"""
    side = max(side, 120)
    ink = placed(enlarged(digit, side, rng), int(side * rng.uniform(1.1, 2)), int(side * rng.uniform(1.1, 2)), rng)
    picture = written(ink, rng, light=0.25, noise=(2, 8))
    y, x = np.meshgrid(np.linspace(-1, 1, ink.shape[0]), np.linspace(-1, 1, ink.shape[1]), indexing="ij")
    picture *= 1 - rng.uniform(0, 0.35) * (x * x + y * y) / 2
    angle = rng.uniform(0, 2 * np.pi)
    edge = np.clip((np.cos(angle) * x + np.sin(angle) * y - rng.uniform(-0.5, 0.9)) / rng.uniform(0.03, 0.3), 0, 1)
    picture *= 1 - rng.uniform(0, 0.4) * edge
    return Image.fromarray(as_bytes(picture)).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))


def ruled(digit, side, rng, squared, faintest=0.5):
    side = max(side, 120)
    ink = placed(enlarged(digit, side, rng), int(side * 1.5), int(side * 1.5), rng)
    lines = Image.new("L", ink.shape[::-1], 0)
    pen = ImageDraw.Draw(lines)
    distance, width = side * rng.uniform(0.15, 0.4), int(rng.integers(1, 3))
    tilt = rng.uniform(-0.03, 0.03) * ink.shape[1]
    for i in range(-1, int(ink.shape[0] / distance) + 2):
        at = (i + 0.37) * distance
        pen.line([(0, at), (ink.shape[1], at + tilt)], fill=255, width=width)
        if squared:
            pen.line([(at, 0), (at - tilt, ink.shape[0])], fill=255, width=width)
    strength = rng.uniform(0.15, faintest)
    return np.maximum(ink, strength * np.asarray(lines) / 255)


def lined(digit, side, rng):
    """on lined paper"""
    return Image.fromarray(as_bytes(written(ruled(digit, side, rng, False), rng, rest=(0.1, 0.3))))


def squared(digit, side, rng):
    """on squared paper"""
    return Image.fromarray(as_bytes(written(ruled(digit, side, rng, True), rng, rest=(0.1, 0.3))))


def strong_lines(digit, side, rng):
    """on squared paper with lines nearly as dark as the ink"""
    return Image.fromarray(as_bytes(written(ruled(digit, side, rng, True, 0.9), rng, rest=(0.1, 0.3))))


def scan(digit, side, rng):
    """with black borders on some sides"""
    side = max(side, 60)
    picture = written(placed(enlarged(digit, side, rng), int(side * 1.3), int(side * 1.3), rng), rng, paper=(200, 245),
                      light=0.15, noise=(1, 5))
    for turn in range(4):
        picture = np.rot90(picture).copy()
        if rng.random() < 0.6:
            width = int(rng.uniform(0.01, 0.1) * len(picture))
            picture = np.pad(picture, ((width, 0), (0, 0)), constant_values=rng.uniform(0, 30))
    return Image.fromarray(as_bytes(picture))


def on_table(digit, side, rng):
    """on a sheet that lies askew on a dark table"""
    side = max(side, 120)
    sheet = as_bytes(written(placed(enlarged(digit, side, rng), int(side * 1.2), int(side * 1.2), rng), rng))
    image = Image.fromarray(sheet).convert("RGBA").rotate(rng.uniform(-4, 4), Image.BICUBIC, expand=True)
    table = Image.new("RGBA", [int(n * rng.uniform(1.05, 1.4)) for n in image.size], (40, 30, 25, 255))
    table.alpha_composite(image, tuple(int(rng.integers(0, a - b + 1)) for a, b in zip(table.size, image.size)))
    return table.convert("L")


def transparent(digit, side, rng):
    """on nothing, whose colour is any"""
    ink = as_bytes(255 * enlarged(digit, side, rng))
    colour = np.full((*ink.shape, 4), rng.choice([0, 40, 215, 255]), np.uint8)
    colour[ink == 0] = rng.integers(0, 256, 4)
    colour[..., 3] = ink
    return Image.fromarray(colour, "RGBA")


def coloured(digit, side, rng):
    """any colour on any other that can be told from it"""
    ink = enlarged(digit, side, rng)[..., None]
    one = other = rng.integers(0, 256, 3)
    while abs(one - other).max() < 80:
        other = rng.integers(0, 256, 3)
    return Image.fromarray(as_bytes(one * (1 - ink) + other * ink), "RGB")


def blackboard(digit, side, rng):
    """chalk on a blackboard"""
    ink = enlarged(digit, max(side, 60), rng)
    chalk = ink * rng.uniform(0.6, 1, ink.shape)
    return Image.fromarray(as_bytes((45 + 160 * chalk) * gradient(ink.shape, rng, 0.25) + rng.normal(0, 5, ink.shape)))


def dusty(digit, side, rng):
    """with specks and single wrong pixels"""
    ink = enlarged(digit, max(side, 100), rng).copy()
    for _ in range(int(rng.integers(3, 12))):
        y, x, r = rng.integers(0, ink.shape[0]), rng.integers(0, ink.shape[1]), rng.integers(1, 4)
        ink[max(y - r, 0):y + r, max(x - r, 0):x + r] = 1
    ink[rng.random(ink.shape) < 0.01] = 1
    return Image.fromarray(as_bytes(written(ink, rng)))


# ---- light: each is what the paper has of it, and the paper may be blank ---------------------------------------------


def places(shape):
    """How far down and how far right each pixel is, from -1 to 1."""
    return np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")


def smooth_step(distance, softness):
    return np.clip(distance / softness + 0.5, 0, 1)


def edge_of_shadow(shape, rng):
    y, x = places(shape)
    angle = rng.uniform(0, 2 * np.pi)
    distance = np.cos(angle) * x + np.sin(angle) * y - rng.uniform(-0.6, 0.6)
    return 1 - rng.uniform(0.2, 0.65) * smooth_step(distance, rng.uniform(0.002, 0.06))


def vignette(shape, rng):
    y, x = (at - rng.uniform(-0.2, 0.2) for at in places(shape))
    return 1 - rng.uniform(0.4, 0.8) * np.clip((x * x + y * y) / 2, 0, 1) ** rng.uniform(0.7, 1.5)


def spotlight(shape, rng):
    y, x = (at - rng.uniform(-0.3, 0.3) for at in places(shape))
    softness = rng.uniform(0.05, 0.6)
    lit = smooth_step(rng.uniform(0.5, 1) - np.hypot(x, y * rng.uniform(0.7, 1.4)), softness)
    rest = rng.uniform(0.25, 0.6)
    return rest + (1 - rest) * lit * lit * (3 - 2 * lit)


def lit(digit, side, rng, light):
    side = max(side, 120)
    ink = np.zeros((side, side)) if digit is None else enlarged(digit, side, rng)
    shape = [int(side * rng.uniform(1.1, 2)) for _ in range(2)]
    ink = np.zeros(shape) if digit is None else placed(ink, *shape, rng)
    picture = rng.uniform(150, 225) * light(shape, rng) * (1 - (1 - rng.uniform(0.15, 0.5)) * ink)
    picture += rng.normal(0, rng.uniform(1, 6), shape)
    return Image.fromarray(as_bytes(picture)).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))


def half_in_shadow(digit, side, rng):
    """with the sharp edge of a shadow that takes 20 to 65 % of the light"""
    return lit(digit, side, rng, edge_of_shadow)


def darker_corners(digit, side, rng):
    """with a vignette that takes 40 to 80 % of the light"""
    return lit(digit, side, rng, vignette)


def under_a_spotlight(digit, side, rng):
    """with a spotlight, beside which there is 25 to 60 % of its light"""
    return lit(digit, side, rng, spotlight)


def in_perspective(digit, side, rng):
    """on a sheet in strong perspective on a dark table, half in shadow"""
    side = max(side, 120)
    sheet = lit(digit, side, rng, edge_of_shadow)
    size = int(1.3 * max(sheet.size))
    narrow, low = rng.uniform(0.1, 0.25), rng.uniform(0.1, 0.35)
    corners = np.array([(narrow, low), (1 - narrow, low), (0.97, 0.95), (0.03, 0.95)])
    corners += rng.uniform(-0.03, 0.03, (4, 2))
    rows = []
    for (x, y), (u, v) in zip(corners * size, [(0, 0), (1, 0), (1, 1), (0, 1)]):
        u, v = u * sheet.width, v * sheet.height
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y, u), (0, 0, 0, x, y, 1, -v * x, -v * y, v)]
    rows = np.array(rows)
    turn = np.linalg.solve(rows[:, :8], rows[:, 8])
    table = Image.new("L", (size, size), int(rng.integers(20, 60)))
    on_it = [image.transform((size, size), Image.PERSPECTIVE, turn, Image.BICUBIC)
             for image in (sheet, Image.new("L", sheet.size, 255))]
    table.paste(on_it[0], mask=on_it[1])
    return Image.fromarray(as_bytes(np.asarray(table) + rng.normal(0, 2, (size, size))))


KINDS = [sizes, paper, large_sheet, cut_out, felt_pen, fine_pen, photograph, lined, squared, strong_lines, scan,
         on_table, transparent, coloured, blackboard, dusty]
LIT = [half_in_shadow, darker_corners, under_a_spotlight, in_perspective]
KINDS += LIT
AS_JPEG = {photograph, on_table, lined, squared, *LIT}

# ---- measuring ------------------------------------------------------------------------------------------------------


def make(kind, digits, folder, seed):
    """A file of each digit, in their order; those of three sizes take turns."""
    rng = np.random.default_rng(seed)
    sides = [28, int(rng.integers(60, 200)), int(rng.integers(200, 400))]
    folder.mkdir(parents=True)
    for i, digit in enumerate(digits):
        image = kind(digit, sides[i % 3], rng)
        if kind in AS_JPEG:
            image.convert("L").save(folder / f"{i:05d}.jpg", quality=int(rng.integers(40, 90)))
        else:
            image.save(folder / f"{i:05d}.png")


def ask(program, network, folder, scratch, show):
    """The likeliest class of each file, -1 where there is none; and the seconds that it took."""
    answers = scratch / "answers.json"
    command = [program, "predict", *network, "--json", answers, "--show", show, folder]
    begin = time.monotonic()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - begin
    return np.array([answer.get("classes", [-1])[0] for answer in json.loads(answers.read_text())]), seconds


def beside(files, shown):
    """A picture of files and, below each, what was shown of it."""
    edge = 84
    sheet = Image.new("L", (len(files) * (edge + 6), 2 * (edge + 6)), 128)
    for i, (file, digit) in enumerate(zip(files, shown)):
        background = Image.new("RGBA", (edge, edge), (128, 128, 128, 255))
        image = Image.open(file).convert("RGBA")
        image.thumbnail((edge, edge), Image.BOX)
        background.alpha_composite(image, ((edge - image.width) // 2, (edge - image.height) // 2))
        sheet.paste(background.convert("L"), (i * (edge + 6) + 3, 3))
        sheet.paste(Image.fromarray(digit).resize((edge, edge), Image.NEAREST), (i * (edge + 6) + 3, edge + 9))
    return sheet


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [kind.__name__ for kind in KINDS]
    parser.add_argument("--lenet", default="build/release/lenet", help="the program")
    parser.add_argument("--run", required=True, help="the run whose network reads the pictures")
    parser.add_argument("--data", default="data/mnist", help="the data set whose test digits are drawn")
    parser.add_argument("--kinds", nargs="+", default=names, choices=names, metavar="KIND", help=" ".join(names))
    parser.add_argument("--count", type=int, default=0, help="as many digits, spread over the test set (0: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a directory in which the pictures are left")
    parser.add_argument("--picture", type=Path, help="a PNG of one picture of each kind, with what was shown below")
    options = parser.parse_args()

    images = read_idx(Path(options.data), "t10k-images-idx3-ubyte", 3)
    labels = read_idx(Path(options.data), "t10k-labels-idx1-ubyte", 1)
    some = np.linspace(0, len(images) - 1, options.count or len(images)).astype(int)
    images, labels = images[some], labels[some]
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        make(lambda digit, side, rng: Image.fromarray(digit), images, scratch / "as they are", 0)
        plain, _ = ask(options.lenet, ["--run", options.run], scratch / "as they are", scratch, scratch / "a-ubyte")
        own = 100 * np.mean(plain == labels)
        print(f"{len(labels)} test digits; as they are: {own:.2f} % right\n")
        print("| pictures | right | less by | no digit | seconds |\n|---|--:|--:|--:|--:|")
        examples = []
        for kind in KINDS:
            if kind.__name__ not in options.kinds:
                continue
            folder = (options.keep or scratch) / kind.__name__
            make(kind, images, folder, options.seed)
            show = scratch / f"{kind.__name__}-idx3-ubyte"
            answers, seconds = ask(options.lenet, ["--run", options.run], folder, scratch, show)
            example = (3 * len(examples) + 1) % len(images)
            examples.append((sorted(folder.iterdir())[example], read_idx(scratch, show.name, 3)[example]))
            right = 100 * np.mean(answers == labels)
            print(f"| {kind.__doc__} | {right:.2f} % | {own - right:.2f} | {np.sum(answers < 0)} | {seconds:.1f} |",
                  flush=True)
        print("\n| blank sheets | taken for a digit | of |\n|---|--:|--:|")
        for kind in LIT:
            if kind.__name__ not in options.kinds:
                continue
            folder = (options.keep or scratch) / f"blank {kind.__name__}"
            make(kind, [None] * len(images), folder, options.seed)
            answers, _ = ask(options.lenet, ["--run", options.run], folder, scratch, scratch / "a-ubyte")
            print(f"| {kind.__doc__} | {100 * np.mean(answers >= 0):.2f} % | {len(answers)} |", flush=True)
        if options.picture:
            beside(*zip(*examples)).save(options.picture, optimize=True)


if __name__ == "__main__":
    main()
