import math

import pytest

from components.evaluate_model import charts


def read_back(line, *, top_value, n_epochs):
    """The (epoch, value) pairs that a drawn curve stands for."""
    points = [tuple(map(float, point.split(","))) for point in line.points.split()]
    epochs = [1 + (n_epochs - 1) * (x - charts.LEFT) / (charts.RIGHT - charts.LEFT) for x, _ in points]
    values = [top_value * (charts.BOTTOM - y) / (charts.BOTTOM - charts.TOP) for _, y in points]
    return [round(epoch, 1) for epoch in epochs], values


def test_curves_read_back_as_the_values_that_were_drawn():
    losses, shares = [2.2, 1.6, 0.9, 0.57], [0.16, 0.45, 0.83, 0.994]

    loss = charts.panel("Loss", {"train": losses}, as_share=False)
    share = charts.panel("Accuracy", {"train": shares}, as_share=True)

    for panel, values, top_value in ((loss, losses, float(loss.y_ticks[-1].text)), (share, shares, 1.0)):
        epochs, drawn = read_back(panel.lines[0], top_value=top_value, n_epochs=4)
        assert epochs == [1, 2, 3, 4]
        assert drawn == pytest.approx(values, abs=0.001 * top_value)
    assert (loss.lines[0].last, share.lines[0].last) == ("0.57", "99.4%")


def test_a_curve_that_was_not_measured_is_not_drawn():
    panel = charts.panel("Loss", {"train": [1.0, 0.5], "validation": [math.nan, math.nan]}, as_share=False)

    assert [line.name for line in panel.lines] == ["train"]


def test_a_matrix_keeps_counts_where_they_fit_and_shades_by_share_of_the_row():
    small = charts.heat_map([[3, 1], [0, 0]], ["Bow", "Wave"])
    large = charts.heat_map([[0] * 101] * 101, [str(index) for index in range(101)])

    assert [(cell.row, cell.column, cell.count, cell.share) for cell in small.cells] == [
        (0, 0, 3, 0.75),
        (0, 1, 1, 0.25),
    ]
    assert (small.has_counts, large.has_counts) == (True, False)
