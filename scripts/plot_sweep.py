#!/usr/bin/env python3
"""plot_sweep.py - draws what `lenet report` says of a sweep: a metric against the options that make the groups.

One numeric option: a line of means with their 95 % intervals. One of another kind, or more than two: each group's
runs with mean and interval. Two: a heat map. None, where only seeds vary: the distribution over them.
Exit codes: 0 done, 2 usage, 3 missing or bad input, or a file that could not be written.
"""
import endings  # noqa: F401: first
import argparse
import math
import subprocess
import sys
from pathlib import Path

from common import program_path
from pictures import (BadInput, FAINT, FORMATS, INK, STYLE, TRAIN, WRONG, matplotlib, picture_path, plt, save)
import numpy as np
from matplotlib import colors, ticker

from plot_run import REPOSITORY, number, parse_object, read_text, short

MEAN, BEST = TRAIN, "#d55e00"
# Okabe and Ito, without the yellow that a line on white cannot have.
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#222222")
SLANTED = {"rotation": 20, "ha": "right", "rotation_mode": "anchor"}
MOST_LINES = 48
MOST_GROUPS = 60  # that have a row each
MOST_CELLS = 40   # along a side of a heat map

METRICS = {"test-error": "test error", "train-error": "training error", "validation-error": "validation error",
           "test-loss": "test loss", "train-loss": "training loss", "validation-loss": "validation loss",
           "seconds": "time"}
UNITS = {"batch": "images", "train-size": "images", "validation": "images", "patience": "epochs", "warmup": "epochs",
         "decay-every": "epochs", "augment-shift": "pixels", "augment-elastic": "pixels", "augment-rotate": "degrees"}
NAMES = {"lr": "learning rate", "init-scale": "scale of the initial weights"}


# ---- reading -----------------------------------------------------------------------------------

class Refused(BadInput):
    """What lenet itself had to say, with its exit code."""

    def __init__(self, text, code):
        super().__init__(text)
        self.code = code


def call_report(options):
    """The text of `lenet report --format json`."""
    program = options.lenet or REPOSITORY / "build" / "release" / "lenet"
    command = [program, "report", *options.paths, "--format", "json"]
    for name in ("by", "metric"):
        if getattr(options, name) is not None:
            command.append(f"--{name}={getattr(options, name)}")
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        raise BadInput(f"{program}: cannot be run ({error.strerror}); built by scripts/quickstart.sh, "
                       "or --lenet names it") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise Refused(said[-1] if said else f"{program} report: exit code {done.returncode}",
                      2 if done.returncode == 2 else 3)
    sys.stderr.write(done.stderr)
    return done.stdout


def count(record, key, where):
    value = number(record, key, where)
    if not 0 <= value < 2 ** 53 or value != int(value):
        raise BadInput(f'{where}: "{key}": found {value:g}; a number 0, 1, 2, ... was wanted')
    return int(value)


def numbers(record, key, where, length=None):
    """A list of numbers, null among them being NaN."""
    values = record.get(key)
    if not isinstance(values, list) or length not in (None, len(values)):
        raise BadInput(f'{where}: "{key}": wanted a list of {f"{length} " if length else ""}numbers')
    return np.array([number({key: value}, key, where) for value in values])


class Group:
    """One of the report's groups, in the units that are drawn."""

    def __init__(self, record, by, percent, where):
        factor, most = (100, 100) if percent else (1, math.inf)  # no error, loss or time is below 0
        if not isinstance(record, dict) or not isinstance(record.get("by"), dict):
            raise BadInput(f'{where}: a group with "by" was wanted')
        self.at = tuple(record["by"].get(name) for name in by)
        for name, value in zip(by, self.at):
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
            if not is_number and not isinstance(value, str):
                raise BadInput(f'{where}: "by" has no number or text for "{name}"')
        self.n, self.diverged = count(record, "n", where), count(record, "diverged", where)
        self.mean = factor * number(record, "mean", where)
        interval = (math.nan, math.nan) if record.get("interval") is None else numbers(record, "interval", where, 2)
        low, high = (factor * bound for bound in interval)
        self.half = (high - low) / 2
        # As it is drawn: the interval of two runs may reach where no value can be.
        self.low, self.high = min(max(low, 0), self.mean), max(min(high, most), self.mean)  # NaN stays
        self.values = factor * numbers(record, "values", where)

    @property
    def has_mean(self):
        return math.isfinite(self.mean)


class Report:
    """Everything there is to draw, read and checked."""

    def __init__(self, text, where):
        record = parse_object(text, where)
        self.metric, self.by, groups = (record.get(key) for key in ("metric", "by", "groups"))
        if not isinstance(self.metric, str) or self.metric not in METRICS:
            raise BadInput(f'{where}: "metric": found {self.metric!r}; wanted one of {", ".join(METRICS)}')
        if not isinstance(self.by, list) or not all(isinstance(name, str) for name in self.by):
            raise BadInput(f'{where}: "by": wanted a list of options, as `lenet report --format json` writes it')
        if not isinstance(groups, list) or not groups:
            raise BadInput(f'{where}: "groups": wanted a list of groups, as `lenet report --format json` writes it')
        self.percent = self.metric.endswith("-error")
        self.groups = [Group(group, self.by, self.percent, f"{where} group {i}")
                       for i, group in enumerate(groups)]
        self.runs = sum(group.n + group.diverged for group in self.groups)
        self.diverged = sum(group.diverged for group in self.groups)

    def column(self, i):
        """The values of an option that occur: numbers ascending, others as the report has them."""
        found = list(dict.fromkeys(group.at[i] for group in self.groups))
        return sorted(found) if self.is_numeric(i) else found

    def is_numeric(self, i):
        return all(not isinstance(group.at[i], str) for group in self.groups)

    @property
    def best(self):
        return min((group for group in self.groups if group.has_mean), key=lambda group: group.mean, default=None)

    @property
    def name(self):
        return METRICS[self.metric]

    @property
    def label(self):
        return self.name + (" in %" if self.percent else " in s" if self.metric == "seconds" else "")

    @property
    def title(self):
        name = self.name[0].upper() + self.name[1:]
        by = [option_name(option) for option in self.by]
        return f"{name} by {' and '.join([', '.join(by[:-1]), by[-1]][len(by) < 2:])}" if by else f"{name} over seeds"

    @property
    def summary(self):
        runs = f"{self.runs} run{'s' if self.runs != 1 else ''}"
        diverged = f", {self.diverged} of them diverged" if self.diverged else ""
        return f"{runs}{diverged}; a run's value is that of its last epoch"



# ---- words and axes --------------------------------------------------------------------------------

def option_name(option):
    return NAMES.get(option, option)


def option_label(option):
    return option_name(option) + (f" in {UNITS[option]}" if option in UNITS else "")


def show(value, like=None):
    """Three significant digits, also where the last is 0; or as many behind the point as another value has."""
    scale = abs(value if like is None else like)
    digits = 2 - math.floor(math.log10(scale)) if scale else 2
    return f"{value:.{min(max(digits, 0), 5)}f}" if abs(value) < 1e6 else f"{value:.2e}"


def show_mean(group):
    """With half of its interval."""
    return show(group.mean) + (f" ± {show(group.half, group.mean)}" if math.isfinite(group.half) else "")


def value_text(value):
    return value if isinstance(value, str) else f"{value:.6g}"


def is_geometric(values):
    """Whether steps are more alike as factors than as differences; a zero before them may be the option's "off"."""
    positive = np.array([value for value in values if value > 0], float)
    if min(values) < 0 or len(positive) < 2 or positive.max() < 5 * positive.min():
        return False
    def unevenness(steps):
        return np.std(steps) / np.mean(steps)
    return len(positive) == 2 or unevenness(np.diff(np.log(positive))) < unevenness(np.diff(positive))


def positions(values, numeric):
    """Where each value of a column is on its axis, and what kind of axis that is."""
    if not numeric:
        return {value: float(i) for i, value in enumerate(values)}, ""
    if not is_geometric(values):
        return {value: float(value) for value in values}, ""
    logs = {value: math.log10(value) for value in values if value > 0}
    at = sorted(logs.values())
    if 0 in values:
        logs[0] = at[0] - (at[-1] - at[0]) / (len(at) - 1)  # a step to the left; its tick says what it is
    return logs, " (log scale)"


def fitting_labels(at, width):
    """A label for every value, in their order; empty where the one before leaves no room. width: of the axes, in inches."""
    span = max(at.values()) - min(at.values()) or 1
    shown, free = [], -math.inf
    for value in sorted(at, key=at.get):
        text = value_text(value)
        middle, half = width * (at[value] - min(at.values())) / (1.1 * span), 0.043 * len(text) + 0.02
        shown.append(text if middle - half >= free else "")
        free = middle + half if shown[-1] else free
    return shown


def label_positions(axes, at, labels, slanted):
    span = max(at.values()) - min(at.values()) or 1
    axes.set_xlim(min(at.values()) - 0.05 * span, max(at.values()) + 0.05 * span)
    axes.set_xticks(sorted(at.values()), labels, **(SLANTED if slanted else {}))
    axes.xaxis.set_minor_locator(ticker.NullLocator())


def scale_metric(axes, report, which):
    """Limits and plain decimal ticks of the axis ("x" or "y") that has the metric. Above there is room for the diverged."""
    drawn = [value for group in report.groups for value in (group.mean, *group.values) if math.isfinite(value)]
    # The interval of two runs may be so wide that nothing else could be seen.
    reach = 0.6 * (max(drawn, default=0) - min(drawn, default=0))
    bounds = [min(max(bound, min(drawn) - reach), max(drawn) + reach)
              for group in report.groups for bound in (group.low, group.high) if math.isfinite(bound)]
    axis = getattr(axes, f"{which}axis")
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:.6g}"))
    if not drawn:
        getattr(axes, f"set_{which}ticks")([])
        axes.text(0.5, 0.5, "no run has a value", transform=axes.transAxes, ha="center", va="center", color=FAINT)
        return
    log = min(drawn) > 0 and max(drawn) > 5 * min(drawn)
    if log:  # an interval may reach down to nothing, which has no place here
        low = min(drawn + [max(bound, min(drawn) / 2) for bound in bounds])
        span = max(drawn + bounds) / low
        low, high = low / span ** 0.06, low * span ** 1.14
        getattr(axes, f"set_{which}scale")("log")
        axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if span < 300 else (1,)))
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:.6g}"))
    else:
        low, high = min(drawn + bounds), max(drawn + bounds)
        span = high - low or 0.2 * abs(high) or 1
        low, high = low - 0.06 * span, high + 0.14 * span
        axis.set_major_locator(ticker.MaxNLocator(7))
    axis.set_minor_locator(ticker.NullLocator())
    getattr(axes, f"set_{which}lim")(low, high)
    getattr(axes, f"set_{which}label")(report.label + (" (log scale)" if log else ""))


def spread(count):
    """The same offsets within ±1 every time, neighbours far apart, so that equal values stay apart."""
    return 2 * ((0.5 + 0.6180339887 * np.arange(count)) % 1) - 1


def new_figure(width, height, title, lines, left=0.8, right=0.3, bottom=0.75, above=0.12):
    """Axes below a title and lines of small text; measures in inches."""
    figure = plt.figure(figsize=(width, height))
    top = 0.62 + 0.24 * len(lines) + above
    axes = figure.add_axes((left / width, bottom / height, (width - left - right) / width,
                            (height - bottom - top) / height))
    figure.text(0.3 / width, 1 - 0.42 / height, short(title, int(width * 8.2)), fontsize=15, weight="bold")
    for i, line in enumerate(lines):
        figure.text(0.3 / width, 1 - (0.7 + 0.24 * i) / height, short(line, int(width * 13.5)), fontsize=10,
                    color="#555555")
    return figure, axes


# ---- lines -----------------------------------------------------------------------------------------

def draw_means(axes, groups, at, colour, label):
    known = [group for group in groups if group.has_mean]
    return axes.plot([at(group) for group in known], [group.mean for group in known], "-o", color=colour, linewidth=1.8,
                     markersize=5.5, label=label, zorder=3)


def draw_spread(axes, groups, at, colour, shift, alpha):
    """The means' intervals as a band, every run as a dot."""
    known = [group for group in groups if group.has_mean]
    where = [at(group) for group in known]
    bounded = [group for group in known if math.isfinite(group.low)]
    if bounded:
        axes.fill_between(where, [group.low for group in known], [group.high for group in known], color=colour,
                          alpha=alpha, linewidth=0)
        axes.errorbar([at(group) for group in bounded], [group.mean for group in bounded],
                      [[group.mean - group.low for group in bounded], [group.high - group.mean for group in bounded]],
                      fmt="none", ecolor=colour, elinewidth=1, capsize=3, alpha=0.7)
    for group, x in zip(known, where):
        axes.plot(x + shift * spread(group.n), group.values, "o", color=colour, markersize=3.5, alpha=0.35,
                  markeredgewidth=0, zorder=2.5)

def mark_diverged(axes, report, at):
    """A cross at the top of every place where runs diverged, with how many of how many."""
    for place in sorted({at(group) for group in report.groups if group.diverged}):
        here = [group for group in report.groups if at(group) == place]
        diverged, runs = sum(group.diverged for group in here), sum(group.n + group.diverged for group in here)
        axes.plot(place, 0.965, "x", color=WRONG, markersize=7, markeredgewidth=1.8, clip_on=False,
                  transform=axes.get_xaxis_transform())
        axes.annotate(f"{diverged} of {runs}", (place, 0.965), xycoords=axes.get_xaxis_transform(), xytext=(0, -7),
                      textcoords="offset points", ha="center", va="top", fontsize=8.5, color=WRONG)


def draw_line(report, title):
    """One line, or one for each value of the option that is not on the x axis."""
    if not 1 <= len(report.by) <= 2:
        raise BadInput(f"--kind line: {len(report.by)} options in by; wanted 1 or 2 (--by)")
    across = 1 if len(report.by) == 2 and report.is_numeric(1) and not report.is_numeric(0) else 0
    other = 1 - across
    values = report.column(across)
    places, scale = positions(values, report.is_numeric(across))
    lines = report.column(other) if len(report.by) == 2 else []
    if len(lines) > MOST_LINES:
        raise BadInput(f"--kind line: {len(lines)} lines by {report.by[other]} are too many; wanted {MOST_LINES} at most")
    many = len(lines) > len(LINES)
    note = "Line: mean" + ("" if many else "; band and bars: its 95 % interval; dots: runs") + \
        ("; ×: runs that diverged" if report.diverged else "")
    heading = option_label(report.by[other]) if lines else ""
    legend = math.ceil(len(lines) / 16) * (0.75 + 0.09 * max(map(len, [heading, *map(value_text, lines)])))
    labels = fitting_labels(places, 7.3)
    slanted = not report.is_numeric(across) and "" in labels
    if slanted:
        labels = [short(value_text(value), 30) for value in values]
    bottom, left = (1.4, 1.6) if slanted else (0.75, 0.9)
    figure, axes = new_figure(7.6 + left + legend, 4.85 + bottom, title, [report.summary, note], left=left,
                              right=0.3 + legend, bottom=bottom)
    def at(group):
        return places[group.at[across]]
    step = min(np.diff(sorted(places.values())), default=1)
    shades = LINES if not many else [colors.to_hex(plt.get_cmap("viridis")(share))
                                     for share in np.linspace(0, 0.92, len(lines))]
    for value, colour in zip(lines or [None], shades):
        groups = sorted((group for group in report.groups if value is None or group.at[other] == value), key=at)
        draw_means(axes, groups, at, colour, value_text(value) if lines else "")
        if not many:
            draw_spread(axes, groups, at, colour, 0.03 * step, 0.08 if lines else 0.16)
    scale_metric(axes, report, "y")
    label_positions(axes, places, labels, slanted)
    axes.set_xlabel(option_label(report.by[across]) + scale)
    mark_diverged(axes, report, at)
    if lines:
        axes.legend(title=heading, loc="upper left", bbox_to_anchor=(1.01, 1.02), alignment="left",
                    ncol=math.ceil(len(lines) / 16))
    return figure


# ---- distributions -----------------------------------------------------------------------------------

def draw_distribution(report, title):
    """A row for each group, or, where there is but one of many runs, a histogram above it."""
    if len(report.groups) > MOST_GROUPS:
        raise BadInput(f"{len(report.groups)} groups by {', '.join(report.by)}; a row each is too many; wanted "
                       f"{MOST_GROUPS} at most (--by)")
    return draw_seeds(report, title) if len(report.groups) == 1 else draw_rows(report, title)


def draw_row(axes, group, y):
    axes.plot(group.values, y + np.copysign(0.09, spread(group.n)) + 0.16 * spread(group.n), "o", color=MEAN, markersize=4.5, alpha=0.4, markeredgewidth=0)
    if not group.has_mean:
        return
    if math.isfinite(group.low):
        axes.plot((group.low, group.high), (y, y), "-", color=INK, linewidth=2, solid_capstyle="butt")
        for end in (group.low, group.high):
            axes.plot((end, end), (y - 0.16, y + 0.16), "-", color=INK, linewidth=2)
    axes.plot(group.mean, y, "D", color=BEST, markersize=7, markeredgecolor="white", zorder=4)


def row_label(report, group):
    if len(report.by) == 1:
        return value_text(group.at[0])
    return ", ".join(f"{option} {value_text(value)}" for option, value in zip(report.by, group.at))


def draw_rows(report, title):
    labels = [short(row_label(report, group), 60) for group in report.groups]
    heading = option_label(report.by[0]) if len(report.by) == 1 else ""
    left = 0.45 + 0.088 * max(map(len, [*labels, heading]))
    width, height = 6.2 + left + 2.6, 2.15 + 0.42 * len(labels)
    note = "Diamond: mean; bar: its 95 % interval; dots: runs"
    figure, axes = new_figure(width, height, title, [report.summary, note], left=left, right=2.6, above=0.35)
    for y, group in enumerate(report.groups):
        draw_row(axes, group, y)
        axes.annotate(show_mean(group) if group.has_mean else "no mean", (1, y), xycoords=axes.get_yaxis_transform(), xytext=(12, 0),
                      textcoords="offset points", va="center", fontsize=10,
                      weight="bold" if group is report.best else "normal", color=INK if group.has_mean else FAINT)
        runs = f"{group.n} run{'s' if group.n != 1 else ''}" if group.n else ""
        diverged = f"× {group.diverged} diverged" if group.diverged else ""
        axes.annotate(diverged or runs, (1, y), xycoords=axes.get_yaxis_transform(), xytext=(110, 0),
                      textcoords="offset points", va="center", fontsize=9, color=WRONG if diverged else FAINT)
    scale_metric(axes, report, "x")
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.annotate(heading, (0, 1), xycoords="axes fraction", xytext=(-7, 4), textcoords="offset points", ha="right",
                  va="bottom", fontsize=10, color="#555555")
    return figure


def histogram(values):
    """Counts and edges. A whole number of steps wide, so that values on a grid (one image more is wrong) beat no rhythm."""
    gaps = np.diff(np.unique(values))
    step = gaps.min() if len(gaps) else max(abs(values[0]), 1e-3) / 10
    steps = round(np.ptp(values) / step)
    width = step * max(1, math.ceil(steps / min(40, max(5, 2 * math.sqrt(len(values))))))
    edges = values.min() - step / 2 + width * np.arange(math.ceil((np.ptp(values) + step) / width - 1e-6) + 1)
    return np.histogram(values, edges)[0], edges


def draw_histogram(axes, values, bottom, height):
    counts, edges = histogram(values)
    axes.bar(edges[:-1], height * counts / counts.max(), np.diff(edges), bottom, align="edge", color="#9cc5e0",
             edgecolor="white", linewidth=1)
    ticks = [int(tick) for tick in ticker.MaxNLocator(5, integer=True).tick_values(0, counts.max())
             if 0 <= tick <= counts.max()]
    axes.set_yticks([0, *(bottom + height * tick / counts.max() for tick in ticks)], ["runs", *map(str, ticks)])


def draw_seeds(report, title):
    group = report.groups[0]
    values = group.values[np.isfinite(group.values)]
    lines = [report.summary]
    if math.isfinite(group.low):
        lines.append(f"Diamond: mean, {show_mean(group)}; bar: its 95 % interval; dots: runs, {show(values.min())} to "
                     f"{show(values.max())}")
    many = len(values) >= 10
    figure, axes = new_figure(8.5, 5.4 if many else 3, title, lines)
    axes.set_axisbelow(True)
    draw_row(axes, group, 0)
    axes.set_yticks([0], ["runs"])
    if many:
        draw_histogram(axes, values, 0.55, 2.4)
    axes.set_ylim(-0.45, 3.15 if many else 0.45)
    axes.grid(axis="y", visible=False)
    scale_metric(axes, report, "x")
    return figure


# ---- heat map ---------------------------------------------------------------------------------------

def draw_heatmap(report, title):
    if len(report.by) != 2:
        raise BadInput(f"--kind heatmap: {len(report.by)} options in by; wanted 2 (--by)")
    rows, columns = report.column(0), report.column(1)
    if max(len(rows), len(columns)) > MOST_CELLS:
        raise BadInput(f"--kind heatmap: {len(rows)} x {len(columns)} cells are too many; wanted {MOST_CELLS} a side at "
                       "most")
    cell_width, cell_height = (1.05, 0.62) if len(columns) <= 16 else (0.62, 0.5)
    left = 0.75 + 0.09 * max(len(value_text(value)) for value in rows)
    width = max(left + cell_width * len(columns) + 1.25, 7)
    across = width - left - 1.25
    height = 1.25 + max(cell_height * len(rows), 1.6)
    note = "In a cell: mean ± half of its 95 % interval" + \
        ("; ×: runs that diverged" if report.diverged else "") + "; framed: the lowest mean"
    texts = [short(value_text(value), 18) for value in columns]
    crowded = max(map(len, texts)) * 0.09 > across / len(columns)
    bottom = 1.2 if crowded else 0.75
    figure, axes = new_figure(width, height + bottom, title, [report.summary, note], left=left, right=1.25,
                              bottom=bottom)
    means = [group.mean for group in report.groups if group.has_mean]
    log = bool(means) and min(means) > 0 and max(means) > 5 * min(means)
    low, high = (min(means), max(means)) if means else (0, 1)
    high = high if high > low else low + (abs(low) or 1)
    norm = colors.LogNorm(low, high) if log else colors.Normalize(low, high)
    shades = plt.get_cmap("viridis_r")
    draw_cells(axes, report, rows, columns, norm, shades, across / len(columns))
    beside = figure.add_axes((1 - 1.05 / width, axes.get_position().y0, 0.16 / width, axes.get_position().height))
    beside.grid(False)
    bar = figure.colorbar(matplotlib.cm.ScalarMappable(norm, shades), cax=beside)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)) if log else ticker.MaxNLocator(5))
    bar.ax.yaxis.set_minor_locator(ticker.NullLocator())
    bar.ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:.4g}"))
    bar.ax.tick_params(labelsize=9)
    bar.set_label(report.label + (" (log scale)" if log else ""), fontsize=9)
    # Numbers grow upwards, as on any axis; names are read from the top.
    axes.set_ylim((-0.5, len(rows) - 0.5) if report.is_numeric(0) else (len(rows) - 0.5, -0.5))
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_xticks(range(len(columns)), texts, **(SLANTED if crowded else {}))
    axes.set_yticks(range(len(rows)), map(value_text, rows))
    axes.set_xlabel(option_label(report.by[1]))
    axes.set_ylabel(option_label(report.by[0]))
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return figure


def draw_cells(axes, report, rows, columns, norm, shades, cell_width):
    small = cell_width < 0.8
    there = {group.at: group for group in report.groups}
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            group = there.get((row, column))
            shade = shades(norm(group.mean)) if group and group.has_mean else colors.to_rgba("#f1f1f1")
            axes.add_patch(plt.Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=shade, edgecolor="white", linewidth=1.5))
            dark = np.dot(shade[:3], (0.299, 0.587, 0.114)) < 0.45
            write_cell(axes, group, x, y, "white" if dark else INK, small)
    best = report.best
    if best:
        axes.add_patch(plt.Rectangle((columns.index(best.at[1]) - 0.46, rows.index(best.at[0]) - 0.46), 0.92, 0.92,
                                     fill=False, edgecolor=BEST, linewidth=2.5))


def write_cell(axes, group, x, y, colour, small):
    def write(text, up, size, ink=colour, **look):
        axes.annotate(text, (x, y), xytext=(0, up), textcoords="offset points", ha="center", va="center",
                      fontsize=size, color=ink, **look)
    if group is None:
        write("no run", 0, 8, FAINT)
        return
    if group.n and not group.has_mean:
        write("no mean", 0, 8, FAINT)
        return
    diverged = f"× {group.diverged} of {group.n + group.diverged}" if group.diverged else ""
    if not group.n:
        write("×", 5, 15, WRONG, weight="bold")
        write(f"{group.diverged} diverged" if not small else f"{group.diverged}", -10, 8, WRONG)
        return
    second = diverged or (f"± {show(group.half, group.mean)}" if math.isfinite(group.half) else "")
    write(show(group.mean), 6 if second else 0, 9 if small else 11, weight="bold")
    if second:
        write(second, -8, 7 if small else 8.5)


# ---- command -----------------------------------------------------------------------------------

KINDS = {"line": draw_line, "heatmap": draw_heatmap, "distribution": draw_distribution}


def kind_of(report):
    if len(report.by) == 2:
        return "heatmap"
    return "line" if len(report.by) == 1 and report.is_numeric(0) else "distribution"


def default_out(options):
    if options.json:
        return options.json.with_suffix(".png")
    first = options.paths[0]
    return first / "sweep.png" if first.is_dir() else first.with_suffix(".png")


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="plot_sweep.py", description="Draws what lenet report says of a sweep.",
        epilog="Without --kind: a line for one numeric option, a heat map for two options, or else distributions.")
    parser.add_argument("paths", metavar="PATH", type=Path, nargs="*",
                        help="the directory of a sweep, or its .jsonl files")
    parser.add_argument("--json", metavar="FILE", type=Path, help="a saved `lenet report --format json` instead")
    parser.add_argument("--lenet", metavar="PROGRAM", type=program_path, help="(initially build/release/lenet)")
    parser.add_argument("--by", metavar="LIST", help="as of lenet report")
    parser.add_argument("--metric", metavar="NAME", help="as of lenet report")
    parser.add_argument("--kind", choices=list(KINDS), help="another kind of picture")
    parser.add_argument("--out", metavar="FILE", type=picture_path,
                        help=f"its ending says the format: {', '.join(FORMATS)} (initially PATH/sweep.png)")
    parser.add_argument("--title", metavar="TEXT", help="(initially what is drawn)")
    options = parser.parse_args(arguments)
    if bool(options.paths) == bool(options.json):
        parser.error("wanted either PATHs or --json FILE")
    if options.json and (options.by is not None or options.metric is not None):
        parser.error("--json: what is saved has its own --by and --metric; give PATHs to choose others")
    return options


def main(arguments=None):
    options = parse(arguments)
    try:
        if options.json:
            text = read_text(options.json, "wanted a saved `lenet report --format json`")
        else:
            text = call_report(options)
        report = Report(text, options.json or "lenet report")
        out = options.out or default_out(options)
        with matplotlib.rc_context(STYLE):
            figure = KINDS[options.kind or kind_of(report)](report, options.title or report.title)
            save(figure, out)
    except BadInput as error:
        print(f"plot_sweep: {error}", file=sys.stderr)
        return getattr(error, "code", 3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
