"""Charts of two models, by what they draw."""

import pandas as pd

from emotion_core.photos.comparison import compared_rows, to_compared_table
from emotion_core.reporting.compared_charts import joined_dots_chart, paired_bars_chart
from emotion_core.reporting.photo_charts import to_png
from tests.factories import make_analysis, make_predictions


def rows_of(spec):
    """All rows of a specification's data sets that tell a model."""
    return [row for rows in spec["datasets"].values() for row in rows if "model" in row]


def test_bars_stand_in_pairs_but_for_emotions_that_one_model_does_not_know():
    chart = paired_bars_chart({"neutral": 0.7, "anger": 0.3}, {"neutral": 0.4, "contempt": 0.6})
    rows = rows_of(chart.to_dict())
    assert {(row["emotion"], row["model"]) for row in rows} == {
        *(("neutral", 1), ("anger", 1), ("neutral", 2), ("contempt", 2))
    }
    assert to_png(chart)


def test_every_face_has_two_dots_and_the_chosen_one_stands_out():
    analysis = make_analysis([(0, 0, 9, 9), (9, 9, 19, 19)])
    table = to_compared_table(compared_rows("a.png", analysis, make_predictions(2)))
    chart = joined_dots_chart(table.assign(id=["a#1", "a#2"]), "a#2")
    rows = pd.DataFrame(rows_of(chart.to_dict()))
    assert rows.groupby("id")["model"].apply(list).to_dict() == {"a#1": [1, 2], "a#2": [1, 2]}
    assert set(rows.loc[rows["is_chosen"], "id"]) == {"a#2"}
    assert to_png(chart)
