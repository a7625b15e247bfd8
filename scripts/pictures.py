"""pictures.py - what all pictures share: the libraries that draw them, their look, and how a file of one is written."""
import argparse
import io
import os
from pathlib import Path

from common import BadInput, write_file  # noqa: F401: those that draw take BadInput from here
from needs import need

# Nothing is shown in a window. A notebook's MPLBACKEND would be an error outside of it, already while importing.
os.environ["MPLBACKEND"] = "Agg"
need("numpy", "matplotlib", packages="python3-numpy python3-matplotlib")
import matplotlib  # noqa: E402
from matplotlib.backend_bases import FigureCanvasBase  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402

# Blue, vermilion and green of Okabe and Ito: told apart with any colour vision.
TRAIN, TEST, VALIDATION = "#0072b2", "#d55e00", "#009e73"
WRONG, INK, FAINT = "#d00000", "#222222", "#8a8a8a"

STYLE = {
    "font.family": "DejaVu Sans", "font.size": 11, "axes.titlesize": 12, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.titlepad": 10, "text.color": INK, "axes.labelcolor": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": "#999999", "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#e4e4e4", "legend.frameon": False,
    "figure.facecolor": "white", "svg.hashsalt": "lenet",
}

# By the ending of a file's name, with what would make two files of one picture differ.
FORMATS = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


def picture_format(path):
    """The format that a name's ending asks for; None where no picture is written in it."""
    ending = path.suffix[1:].lower()
    return ending if ending in FORMATS else None


def picture_path(text):
    """An option's value: the path of a picture."""
    path = Path(text)
    if not picture_format(path):
        raise argparse.ArgumentTypeError(f"'{text}' {f'ends in {path.suffix}' if path.suffix else 'has no ending'}; "
                                         f"wanted one of {', '.join(f'.{ending}' for ending in FORMATS)}")
    return path


def names_a_picture(path):
    """Whether its ending is that of any picture, also of those that are not written here."""
    return path.suffix[1:].lower() in FigureCanvasBase.get_supported_filetypes()


def save(figure, path):
    kind, content = picture_format(path), io.BytesIO()
    try:
        figure.savefig(content, format=kind, dpi=130, metadata=FORMATS[kind])
    finally:
        plt.close(figure)
    write_file(path, content.getvalue())
