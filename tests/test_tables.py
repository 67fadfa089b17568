"""Tables of one's own: a task that can be trained on, or an error that says why not."""

import dataclasses
import gzip
import io
import unicodedata
import zipfile

import jax
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from jaxloss.compare.sweep.expression import parse_expression
from jaxloss.compare.tasks import columns, tables
from jaxloss.compare.tasks.assembly import task_of
from jaxloss.compare.tasks.medical import REAL
from jaxloss.compare.tasks.outputs import OF_COUNTS
from jaxloss.compare.tasks.tables import table
from jaxloss.compare.tasks.task import DataSplit


def draw(task, seed=0):
    return task.draw(np.random.default_rng(seed))


def shapes(data):
    return [x.shape for x in (*data.inputs, *data.targets)]


@pytest.fixture
def csv(tmp_path):
    """Writes text or a frame to a file of this name."""

    def write(content, name="mine.csv"):
        path = tmp_path / name
        if isinstance(content, pd.DataFrame):
            content.to_csv(path, index=False)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")
        return path

    return write


@pytest.fixture
def frame():
    """Sixty rows with a number, a text, and targets of three kinds."""
    r = np.random.default_rng(0)
    x = r.normal(size=60)
    return pd.DataFrame(
        {
            "x": x,
            "city": np.resize(["Oslo", "Rome", "Kyiv"], 60),
            "real": 3 * x + 100,
            "kind": np.resize(["b", "a", "c"], 60),
            "sick": x > 0,
        }
    )


# What is predicted.


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["yes", "no"], 2),
        ([True, False], 2),
        (["True", "False", None], 2),
        ([0, 1], 2),
        ([1.0, 2.0, np.nan], 2),
        (["a", "b", "c", "d"], 4),
        (range(12), 12),
        ([-3, 5, 7], 3),
        (range(13), None),  # each occurs four times or five
        (np.linspace(0, 1, 3), None),
        (np.arange(60.0), None),
        (["0", "1", "?"], 2),
    ],
)
def test_the_kind_of_target(csv, frame, values, classes):
    task = table(csv(frame.assign(y=np.resize(np.array(values, object), 60))), "y")
    data = draw(task)
    if classes is None:
        assert task.output is REAL
        assert data.targets.training.dtype == np.float32
        assert task.reference == "squared_error"
    else:
        assert task.output.shape == (() if classes == 2 else (classes,))
        assert data.targets.training.dtype == np.int32
        assert set(np.concatenate(data.targets)) == set(range(classes))
        assert task.reference == "cross_entropy"
    assert data.inputs.training.dtype == np.float32
    for seed in range(1, 5):
        assert shapes(draw(task, seed)) == shapes(data)


def test_labels_are_in_the_order_of_their_names(csv, frame):
    task = table(csv(frame), "kind")
    assert "3 classes ('a', 'b', 'c')" in task.story
    frame["code"] = frame.kind.map({"a": 0.0, "b": 1.0, "c": 2.0})
    joined = pd.concat([frame.code, frame.x], axis=1)
    found = table(csv(joined, "coded.csv"), "code").draw.target
    np.testing.assert_array_equal(task.draw.target.values, found.values)
    np.testing.assert_array_equal(found.values, frame.code)
    assert found.names == ("0", "1", "2")


@pytest.mark.parametrize("target", ["real", "kind", "sick"])
def test_every_contender_can_be_trained_on(csv, frame, target):
    task = table(csv(frame), target)
    for written in filter(None, (*task.contenders, task.reference, task.control)):
        assert parse_expression(written, task.output).variants
    targets = draw(task).targets.training
    changed = task.corrupt(targets, max(task.levels), np.random.default_rng(0))
    assert np.mean(changed != targets) == pytest.approx(max(task.levels), abs=0.5 / len(targets))


@pytest.mark.parametrize("given", ["a table", "a pair of arrays"])
def test_counts_are_what_they_are_said_to_be_and_predicted_by_the_logs_of_rates(frame, given):
    counts = np.random.default_rng(1).poisson(7.0, 60)
    data = frame[["x"]].assign(visits=counts) if given == "a table" else (frame[["x"]], counts)
    target = "visits" if given == "a table" else None
    task = task_of(data, target, None, "counts", standardise=True)
    drawn = draw(task)
    assert set(np.concatenate(drawn.targets)) <= set(counts)  # not standardised
    assert (task.output, task.reference) == (OF_COUNTS, "poisson_nll")
    for written in (*task.contenders, task.reference, "poisson_nll_with_log_rates"):
        assert parse_expression(written, task.output).variants
    noisy = task.corrupt(drawn.targets.training, 0.5, np.random.default_rng(0))
    np.testing.assert_array_equal(noisy, np.round(noisy))
    weights = task.model.initial(jax.random.key(0), drawn.inputs.training)
    (rate,) = np.exp(task.model.predict(weights, np.zeros((1, 1), np.float32)))
    assert rate == pytest.approx(counts.mean(), rel=1e-6)  # before training


@pytest.mark.parametrize(
    ("values", "kind", "wrong"),
    [
        ([3, 1.5], "counts", "'y' holds 1.5; counts are whole numbers >= 0"),
        ([3, -2], "counts", "'y' holds -2; counts are whole"),
        (["a", "b"], "counts", "'y' holds 'a'; counts are to be numbers"),
        (["a", "b"], "numbers", "'y' holds 'a'; numbers are to be numbers"),
        (np.linspace(0, 1, 60), "classes", "has 60 classes"),
        ([1, 2], "count", r"`kind` of targets is one of .*, got 'count'.*counts"),
    ],
)
def test_a_target_that_is_not_of_its_kind_is_refused(frame, values, kind, wrong):
    data = frame[["x"]].assign(y=np.resize(np.array(values, object), 60))
    with pytest.raises(ValueError, match=wrong):
        task_of(data, "y", None, kind, standardise=True)


@pytest.mark.parametrize(
    ("targets", "kind", "wrong"),
    [
        (np.full(60, 0.5), "counts", "holds 0.5; counts are whole"),
        (np.zeros(60, int), "counts", "holds nothing but 0; counts are whole"),
        (np.ones((60, 2), int), "counts", r"counts, one for each example, got \[2\]"),
        (np.ones(60), "classes", "classes are integers from 0 or texts"),
        (np.full(60, 700), None, "of others say the `kind`, 'numbers' or 'counts'"),
    ],
)
def test_an_array_of_targets_that_is_not_of_its_kind_is_refused(targets, kind, wrong):
    with pytest.raises(ValueError, match=wrong):
        task_of((np.zeros((60, 2)), targets), None, None, kind, standardise=True)


def test_integers_are_numbers_where_they_are_said_to_be(frame):
    labels = np.resize([0, 1], 60)
    for data, target in (((frame[["x"]], labels), None), (frame[["x"]].assign(y=labels), "y")):
        task = task_of(data, target, None, "numbers", standardise=True)
        assert task.reference == "squared_error"
        assert draw(task).targets.training.std() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("names", "metric"), [(("well", "ill"), "auc"), (("a", "b", "c"), "balanced_accuracy")]
)
def test_rare_classes_are_ranked_by_what_does_not_overlook_them(frame, names, metric):
    often, *rare = names
    column = np.repeat([often, *rare], [60 - 5 * len(rare), *[5] * len(rare)])
    task = table(frame[["x"]].assign(y=column), "y")
    assert task.output.metric.name == metric
    assert {each.name for each in task.output.metrics} >= {"accuracy", metric, "nll"}
    assert f"ranked by the {task.output.metric.says}." in task.story
    even = table(frame[["x"]].assign(y=np.resize(np.array(names), 60)), "y")
    assert even.output.metric.name == "accuracy"
    assert "ranked by" not in even.story


def test_real_targets_are_in_deviations_of_the_training_part(csv, frame):
    data = draw(table(csv(frame), "real"))
    training = data.targets.training
    assert training.mean() == pytest.approx(0, abs=1e-6)
    assert training.std() == pytest.approx(1, abs=1e-6)
    # The target is linear in the input, so both are the same in deviations, in every part.
    for inputs, targets in zip(data.inputs, data.targets, strict=True):
        np.testing.assert_allclose(inputs[:, 0], targets, atol=1e-5)


def test_classes_are_in_proportion_in_every_part(csv, frame):
    frame["rare"] = np.repeat(["often", "seldom"], [45, 15])
    for seed in range(3):
        for labels in draw(table(csv(frame), "rare"), seed).targets:
            assert np.mean(labels) == pytest.approx(0.25, abs=1e-6)


def test_iris_is_learnt_as_scikit_learn_does(csv):
    """The parts hold what the file says: scikit-learn learns from them."""
    data = draw(table(csv(load_iris(as_frame=True).frame), "target"))
    fitted = LogisticRegression().fit(data.inputs.training, data.targets.training)
    assert fitted.score(data.inputs.test, data.targets.test) > 0.9


# What it is predicted from.


def test_missing_numbers_are_the_median_and_are_marked(csv):
    x = np.arange(60.0)
    x[::7] = np.nan
    task = table(csv(pd.DataFrame({"row": np.arange(60.0), "x": x, "y": np.arange(60.0)})), "y")
    for part in draw(task).inputs:
        numbers, filled, marked = part.T
        assert len(part.T) == 3
        missing = np.isclose(filled, filled[marked == 1][:1]) if marked.any() else marked == 1
        assert set(marked) <= {0, 1}
        assert np.all(missing[marked == 1])
        assert np.corrcoef(numbers[marked == 0], filled[marked == 0])[0, 1] > 1 - 1e-6
    inputs, marks = draw(task).inputs.training[:, 1], draw(task).inputs.training[:, 2]
    assert inputs[marks == 1][0] == pytest.approx(np.median(inputs[marks == 0]), abs=1e-6)


def test_text_has_a_column_for_each_category(csv, frame):
    task = table(csv(frame[["city", "real"]]), "real")
    data = draw(task)
    assert data.inputs.training.shape[1] == 3
    for part in data.inputs:
        np.testing.assert_array_equal(part.sum(axis=1), 1)


def test_rare_and_missing_text_share_columns(csv, frame):
    frame["many"] = [f"word {i // 2}" for i in range(56)] + ["once", "only", "", None]
    width = draw(table(csv(frame[["many", "real"]]), "real")).inputs.training.shape[1]
    assert width == columns.MAX_CATEGORIES + 2


def test_only_the_training_part_decides_how_inputs_are_prepared(csv, frame):
    frame.loc[::5, "x"] = np.nan
    task = table(csv(frame), "real")
    before = draw(task)
    moved = task.draw.inputs.values.copy()
    rows = np.random.default_rng(0).spawn(2)[1]
    test = tables.sampling.split(len(moved), rows).test
    moved[test, 0] = 1e6
    changed = dataclasses.replace(task.draw.inputs, values=moved)
    after = draw(dataclasses.replace(task, draw=dataclasses.replace(task.draw, inputs=changed)))
    np.testing.assert_array_equal(before.inputs.training, after.inputs.training)
    np.testing.assert_array_equal(before.inputs.validation, after.inputs.validation)
    assert np.all(after.inputs.test[:, 0] == columns.MAX_DEVIATIONS)


def test_what_is_missing_throughout_a_training_part_is_harmless():
    values = np.array([[np.nan, 1.0], [np.nan, 2.0], [5.0, 3.0], [7.0, 4.0]])
    parts = DataSplit(np.array([0, 1]), np.array([2]), np.array([3]))
    prepared = columns.Inputs(values, 2, ()).prepared(parts)
    assert [part.shape for part in prepared] == [(2, 3), (1, 3), (1, 3)]
    assert all(np.isfinite(part).all() for part in prepared)
    np.testing.assert_array_equal(prepared.training[:, 2], 1)
    np.testing.assert_array_equal(prepared.test[:, 2], 0)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([7] * 60, "the same in every row"),
        (["same"] * 60, "the same in every row"),
        ([None] * 60, "empty"),
        ([f"name {i}" for i in range(60)], "text differs in every row"),
        ([f"2024-03-{i % 28 + 1:02d}" for i in range(60)], "dates or times"),
        ([f"{i % 28 + 1}.3.2024 10:30" for i in range(60)], "dates or times"),
        ([f"{i % 28 + 1} March 2024" for i in range(60)], "dates or times"),
        ([f"{i % 24}:30" for i in range(60)], "dates or times"),
    ],
)
def test_useless_columns_are_left_out_with_a_note(csv, frame, entries, reason):
    task = table(csv(frame.assign(odd=entries)), "real")
    assert f"{reason}: 'odd'." in task.story
    plain = draw(table(csv(frame, "plain.csv"), "real"))
    assert shapes(draw(task)) == shapes(plain)


def test_a_column_that_numbers_the_rows_is_left_out(csv, frame):
    path = csv(frame.reset_index().to_csv(index=False).replace("index,", ",", 1))
    assert "they number the rows: 'column 1'" in table(path, "kind").story
    assert (
        "they number the rows: 'Row_ID'" in table(csv(frame.assign(Row_ID=range(60))), "kind").story
    )
    assert "number the rows" not in table(csv(frame.assign(year=range(60))), "kind").story


def test_infinite_and_strange_entries_are_missing(csv, frame):
    entries = frame.x.astype(object).tolist()
    entries[3], entries[4], entries[5], entries[6] = "inf", "1e60", "unknown", "?"
    task = table(csv(pd.DataFrame({"x": entries, "real": frame.real})), "real")
    assert "Missing, as not a finite number: 3 of 'x'." in task.story
    data = draw(task)
    assert sum(part[:, 1].sum() for part in data.inputs) == 4
    assert all(np.isfinite(part).all() for part in data.inputs)


def test_rows_without_a_target_are_left_out(csv, frame):
    frame.loc[:6, "real"] = np.nan
    frame.loc[7, "real"] = np.inf
    task = table(csv(frame), "real")
    assert "8 rows were left out for want of a target." in task.story
    assert sum(map(len, draw(task).targets)) == 52


def test_rare_classes_are_left_out(csv, frame):
    frame.loc[:2, "kind"] = "rare, really"
    task = table(csv(frame), "kind")
    assert "3 rows were left out whose class is too rare: 'rare, really'." in task.story
    assert task.output.shape == (3,)


# How large.


@pytest.mark.parametrize("target", ["real", "sick"])
def test_ten_rows_are_enough(csv, frame, target):
    frame = frame.sort_values("x").iloc[np.r_[:5, -5:0]]
    task = table(csv(frame), target)
    for seed in range(20):
        data = draw(task, seed)
        assert [len(part) for part in data.targets] == [6, 2, 2]
        if target == "sick":
            assert [part.sum() for part in data.targets] == [3, 1, 1]
    assert task.epochs == 100


def test_nine_rows_are_too_few(csv, frame):
    with pytest.raises(ValueError, match=r"9 of 9 rows have a target in 'real'; at least 10"):
        table(csv(frame.iloc[:9]), "real")


@pytest.mark.parametrize("target", ["y", "kind"])
def test_of_many_rows_each_seed_draws_some(tmp_path, target):
    r = np.random.default_rng(0)
    rows = 60_000
    path = tmp_path / "many.npz"
    kind = np.repeat(["a", "b", "never"], [50_000, 9_990, 10])
    np.savez(path, x=r.normal(size=(rows, 3)), y=r.normal(size=rows), kind=kind)
    task = table(path, target)
    data = draw(task)
    assert [len(part) for part in data.targets] == [12_000, 4_000, 4_000]
    assert f"each seed draws {tables.MAX_ROWS}" in task.story
    assert task.epochs * (12_000 // task.batch) in range(300, 600)
    assert not np.array_equal(data.inputs.training, draw(task, 1).inputs.training)
    if target == "kind":
        assert "10 rows were left out whose class is too rare: 'never'." in task.story
        assert np.mean(data.targets.training) == pytest.approx(9_990 / 59_990, abs=1e-3)


def test_a_wide_table_gives_fewer_rows(monkeypatch, tmp_path):
    path = tmp_path / "wide.npz"
    r = np.random.default_rng(0)
    np.savez(path, images=r.normal(size=(300, 4, 5)), y=np.resize([0, 1], 300))
    monkeypatch.setattr(
        tables, "MAX_ENTRIES", 4_000
    )  # a number may need a second one: is it missing
    data = draw(table(path, "y"))
    assert shapes(data)[:3] == [(60, 20), (20, 20), (20, 20)]
    monkeypatch.setattr(tables, "MAX_WIDTH", 19)
    with pytest.raises(ValueError, match="20 inputs are too many, at most 19"):
        table(path, "y")


# How it is written.


def test_all_ways_to_write_a_table_are_read_alike(csv, frame):
    plain = draw(table(csv(frame), "real"))
    text = frame.to_csv(index=False)
    european = frame.to_csv(index=False, sep=";", decimal=",")
    for content in (
        "\ufeff" + text,
        text.replace("\n", "\r\n"),
        frame.to_csv(index=False, sep="\t"),
        frame.to_csv(index=False, sep=";"),
        european,
        frame.to_csv(index=False, quoting=1),
        text.replace("x,city,real", "x, city , real"),
    ):
        read = draw(table(csv(content, "other.CSV"), "real"))
        for a, b in zip(
            (*plain.inputs, *plain.targets), (*read.inputs, *read.targets), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_names_and_text_may_be_anything(csv, frame):
    strange = {
        "x": 'a "b", c',
        "city": "größe\n;",
        "real": "<b>{{x}}</b>",
        "kind": "=1+1",
        "sick": "%s",
    }
    frame["city"] = frame.city.map({"Oslo": 'a,"b"', "Rome": "\n;", "Kyiv": "<script>"})
    task = table(csv(frame.rename(columns=strange)), "<b>{{x}}</b>")
    assert "<b>{{x}}</b>" in task.title
    assert draw(task).inputs.training.shape[1] == 1 + 3 + 3 + 1
    assert table(csv(frame.rename(columns=strange)), "größe\n;").output.shape == (3,)


def test_arrays_are_flattened(tmp_path):
    path = tmp_path / "mine.npz"
    r = np.random.default_rng(0)
    y = r.integers(0, 3, size=(40, 1))
    np.savez(
        path,
        image=r.normal(size=(40, 2, 3)),
        flag=r.random(40) > 0.5,
        word=np.resize(["a", "b"], 40),
        raw=np.resize([b"c", b"d"], 40),
        when=np.arange(40).astype("datetime64[D]"),
        y=y,
    )
    task = table(path, "y")
    assert shapes(draw(task))[0] == (24, 6 + 1 + 2 + 2)
    assert "dates or times: 'when'" in task.story
    np.testing.assert_array_equal(task.draw.target.values, y[:, 0])


# In which form.

TABLES = {
    "mine.tsv": lambda frame, path: frame.to_csv(path, sep="\t", index=False),
    "mine.csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "mine.TSV.GZ": lambda frame, path: frame.to_csv(
        path, sep="\t", index=False, compression="gzip"
    ),
    "mine.parquet": lambda frame, path: frame.to_parquet(path),
    "mine.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "mine.npz": lambda frame, path: np.savez(
        path, **{name: frame[name].to_numpy(str if name == "city" else float) for name in frame}
    ),
    "mine.npy": lambda frame, path: np.save(
        path,
        np.array(
            list(frame.itertuples(index=False)), [("x", "f8"), ("city", "U9"), ("real", "f8")]
        ),
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_the_same_in_every_form(csv, frame, name, tmp_path):
    frame = frame[["x", "city", "real"]]
    TABLES[name](frame, tmp_path / name)
    plain, read = (draw(table(path, "real")) for path in (csv(frame), tmp_path / name))
    for a, b in zip((*plain.inputs, *plain.targets), (*read.inputs, *read.targets), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_table_may_be_a_frame(csv, frame):
    ours, theirs = table(frame, "real"), table(csv(frame), "real")
    for a, b in zip(draw(ours).inputs, draw(theirs).inputs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert "a table (SHA-256" in ours.story
    assert table(frame.rename(columns={"x": 7}), "7").output is REAL
    changed = frame.assign(x=frame.x + 1)
    assert table(changed, "real").story != ours.story


def test_columns_of_an_array_are_called_by_their_numbers(tmp_path):
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).normal(size=(50, 4)))
    assert shapes(draw(table(tmp_path / "mine.npy", "3")))[0] == (30, 3)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_letter_with_a_mark_is_one_however_it_is_written(csv, frame, form):
    named = frame.rename(columns={"real": unicodedata.normalize(form, "größe")})
    for wanted in ("NFC", "NFD"):
        assert table(csv(named), unicodedata.normalize(wanted, "größe")).output is REAL


@pytest.mark.parametrize(
    ("entries", "numbers"),
    [
        (["$1,234.50", "$5", "-$7.25"], [1234.5, 5, -7.25]),
        (["€ 12", "€ 1,000", "€ 3.5"], [12, 1000, 3.5]),
        (["3.4%", "5 %", "-10%"], [3.4, 5, -10]),
        (["1,234", "12", "1,234,567.5"], [1234, 12, 1234567.5]),
        (["3.4%", "0.034", "5%"], None),  # of one unit or of two?
        (["$5", "€5", "$6"], None),
        (["1,5", "2,25", "3"], None),  # a comma for a point, or between what?
        (["1,2345", "12", "13"], None),
    ],
)
def test_amounts_and_shares_are_numbers_where_they_are_of_one_kind(entries, numbers):
    found, missing = columns.as_numbers(pd.Series([*entries, None]))
    assert missing == 0
    if numbers is None:
        assert found.dropna().tolist() == entries
    else:
        assert found.dropna().tolist() == numbers


# Arrays and images.


@pytest.fixture
def pictures(tmp_path):
    """A folder of fifteen images in each of two classes, the one dark and the other bright."""

    def write(folder=tmp_path / "pictures", count=15, size=(6, 5), mode="L"):
        for name, level in (("bright", 200), ("dark", 30)):
            (folder / name).mkdir(parents=True)
            for i in range(count):
                pixel = level + i if mode == "L" else (level, level + i, 0)
                Image.new(mode, (size[0] + i % 2, size[1]), pixel).save(folder / name / f"{i}.png")
        return folder

    return write


def own(path):
    return task_of(path, None, None, standardise=False)


def test_a_folder_of_images_for_each_class_is_a_task(pictures):
    folder = pictures()
    (folder / "dark" / "notes.txt").write_text("no image")
    task = own(folder)
    data = draw(task)
    assert shapes(data)[0] == (18, 5, 6, 1)
    assert task.name == "pictures"
    assert task.output.shape == ()
    for images, labels in zip(data.inputs, data.targets, strict=True):
        np.testing.assert_array_equal(images.mean((1, 2, 3)) < 0.5, labels == 1)
        assert 0 < images.min() < images.max() < 1


def test_parts_of_a_folder_of_images_stay_apart(pictures, tmp_path):
    for part, count in (("train", 20), ("Test", 7)):
        pictures(tmp_path / "parts" / part, count, mode="RGB")
    assert [x[1:] for x in shapes(draw(own(tmp_path / "parts")))[:3]] == [(5, 6, 3)] * 3
    assert [len(x) for x in draw(own(tmp_path / "parts")).targets] == [32, 8, 14]


def test_data_sets_are_read_as_keras_keeps_them(tmp_path):
    r, path = np.random.default_rng(0), tmp_path / "mnist.npz"
    x = r.integers(0, 256, size=(70, 4, 4), dtype=np.uint8)
    y = np.resize(np.arange(10, dtype=np.uint8), 70)
    np.savez(path, x_train=x[:50], y_train=y[:50], x_test=x[50:], y_test=y[50:])
    task = own(path)
    assert task.output.shape == (10,)
    np.testing.assert_allclose(draw(task).inputs.test, x[50:] / 255, rtol=1e-6)
    np.testing.assert_array_equal(draw(task, 1).targets.test, y[50:])
    np.savez(path, x=x, y=y[:, None])
    assert shapes(draw(own(path)))[0] == (42, 4, 4)


def test_a_folder_without_images_of_two_classes_says_so(pictures, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty' has images in 0 folders; one for each class"):
        own(tmp_path / "empty")
    folder = pictures()
    for content in (b"", b"GIF89a", (folder / "dark" / "1.png").read_bytes()[:45]):
        (folder / "dark" / "0.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"the image '.*0.png' cannot be read"):
            own(folder)


# What cannot be had.

GOOD = b"x\ty\n" + b"".join(b"%d\t%d\n" % (i, i * i) for i in range(30))


def parquet(x=range(30)):
    return pd.DataFrame({"x": x, "y": range(30)}).to_parquet()


NPY = io.BytesIO()
np.save(NPY, np.zeros((30, 3)))
CUBE = io.BytesIO()
np.save(CUBE, np.zeros((30, 3, 3)))
PICKLED = io.BytesIO()
np.save(PICKLED, np.array([{}, None]), allow_pickle=True)
LINES = b'{"x": 1, "y": 2}\n' * 30

MALFORMED = [
    ("mine.tsv", b"", "mine.tsv is empty"),
    ("mine.tsv", b"x,y\n" + b"1,2\n" * 30, "no column is called 'y'; .* are 'x,y'"),
    ("mine.tsv", GOOD + b"1\t2\t3\n", "no CSV file in UTF-8: .*line 32, saw 3"),
    ("mine.tsv", GOOD + b"7\n", "mine.tsv, line 32: 1 fields in place of 2"),
    ("mine.tsv", GOOD.replace(b"x", b"y"), "several columns of the same name: 'y'"),
    ("mine.csv.gz", b"", "mine.csv.gz is empty"),
    ("mine.csv.gz", GOOD, "mine.csv.gz cannot be read: Not a gzipped file"),
    ("mine.csv.gz", gzip.compress(GOOD, mtime=0)[:-20], "mine.csv.gz cannot be read: "),
    ("mine.csv.gz", gzip.compress(b"\0" * 99, mtime=0), "bytes of value 0"),
    ("mine.csv.gz", gzip.compress(b"", mtime=0), "mine.csv.gz is empty"),
    ("mine.csv.gz", gzip.compress(GOOD + b"\xff\t1\n", mtime=0), "UTF-8: .*, in line 32; save it"),
    ("mine.csv.gz", gzip.compress(GOOD + b"9\n", mtime=0), "mine.csv.gz, line 32: 1 fields"),
    ("mine.parquet.gz", gzip.compress(GOOD, mtime=0), "is needed, not 'mine.parquet.gz'"),
    ("mine.gz", gzip.compress(GOOD, mtime=0), "is needed, not 'mine.gz'"),
    ("mine", GOOD, "is needed, not 'mine'"),
    ("mine.parquet", b"", "mine.parquet is no Parquet file that can be read"),
    ("mine.parquet", GOOD, "mine.parquet is no Parquet file that can be read"),
    ("mine.parquet", lambda: parquet()[:-30], "mine.parquet is no Parquet file"),
    ("mine.parquet", lambda: parquet()[:200], "mine.parquet is no Parquet file"),
    (
        "mine.parquet",
        lambda: parquet([[1, 2]] * 30),
        "'x' in mine.parquet holds values of type ndarray",
    ),
    ("mine.jsonl", b"", "mine.jsonl is empty"),
    ("mine.jsonl", b"\n \n", "mine.jsonl is empty"),
    ("mine.jsonl", LINES + b"{", "mine.jsonl, line 31: this is no JSON object .*Expecting"),
    ("mine.jsonl", LINES + b"[1, 2]\n", "line 31: this is no JSON object .*not a mapping"),
    ("mine.jsonl", LINES + b"3\n", "line 31: this is no JSON object"),
    ("mine.jsonl", b"[" * 100_000, "line 1: this is no JSON object"),
    ("mine.jsonl", LINES + b"\xff\n", "line 31: .*is no UTF-8; save it"),
    ("mine.jsonl", LINES + b'{"x": {"a": 1}, "y": 1}\n', "holds values of type dict"),
    ("mine.jsonl", LINES + b'{"x": [1], "y": 1}\n', "'x' in mine.jsonl holds values of type list"),
    ("mine.jsonl", b'{"x": 1, " x": 2, "y": 3}\n' * 30, "of the same name: 'x'"),
    ("mine.npy", b"", "mine.npy is no NPY file that can be read"),
    ("mine.npy", GOOD, "mine.npy is no NPY file that can be read"),
    ("mine.npy", NPY.getvalue()[:200], "mine.npy is no NPY file that can be read"),
    ("mine.npy", PICKLED.getvalue(), "mine.npy is no NPY file that can be read: .*pickle"),
    ("mine.npy", CUBE.getvalue(), r"mine.npy has the shape \(30, 3, 3\); two axes are needed"),
    ("mine.npy", NPY.getvalue(), "no column is called 'y'; the columns of mine.npy are '0', '1'"),
    ("mine.npz", GOOD, "mine.npz is no NPZ file"),
    ("mine.npz", NPY.getvalue(), "mine.npz is no NPZ file"),
    ("mine.xlsx", GOOD, "is needed, not 'mine.xlsx'"),
]


@pytest.mark.parametrize(("name", "content", "says"), MALFORMED)
def test_a_malformed_file_says_what_is_wrong_with_it(csv, name, content, says):
    content = content() if callable(content) else content
    with pytest.raises(ValueError, match=says):
        table(csv(content, name), "y")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "mine.csv is empty"),
        (b"\n \n", "mine.csv is empty"),
        (b"PK\x03\x04\x00\x01" * 99, "no CSV file in UTF-8: it has bytes of value 0"),
        (b"x,real\n1,\xff\xfe\xe4\n" * 20, "no CSV file in UTF-8: .*decode"),
        ("x,real\n" + "1,2,3\n" * 20, "rows of more fields than its first line, which has 2"),
        ("x,real\n" + "1,2\n" * 9 + "1,2,3\n", "no CSV file in UTF-8: .*line 11, saw 3"),
        ('x,real\n1,2\n"1,2\n' * 3, "no CSV file in UTF-8: .*EOF inside string"),
        (b"x,real\n1,2\n\xe9,3\n" * 9, "no CSV file in UTF-8: .*, in line 3; save it"),
        ("x,y,real\n1,2,3\n\n1,2\n4,5,6\n", r"mine.csv, line 4: 2 fields in place of 3; complete"),
        ("x,real\n" + "1,2\n" * 9 + "1\n", "mine.csv, line 11: 1 fields in place of 2"),
        ("x,real\n", "0 of 0 rows have a target"),
        ("x,real\n" + "1,\n" * 50, "0 of 50 rows have a target"),
        ("x,real\n" + "1,\n" * 50 + "1,2\n" * 9, "9 of 59 rows have a target"),
        ("x,real\n" + "1,2\n" * 50, "the target 'real' is the same in all rows: 2"),
        ("x,x,real,real\n1,2,3,4\n", "several columns of the same name: 'x', 'real'"),
        ("real\n" + "1.5\n2.5\n" * 9, "no column is left to predict 'real' from"),
        ("x,real\n" + "1,1.5\n1,2.5\n" * 9, "no column is left.*the same in every row: 'x'"),
        ("x,real\n" + "1,2\n" * 98 + "2,3.5\n3,4.5\n", "'real' is 2 in 98 of 100 rows"),
        ("x,real\n" + "1,no\n2,no\n" * 20 + "3,yes\n" * 4, "2 classes, of which 1 have at least 5"),
        ("x,real\n" + "".join(f"1,w{i}\n" for i in range(50)), "50 classes, of which 0 have"),
        ("x,real\n" + "".join(f"{i},w{i % 101}\n" for i in range(999)), "of which 101 have"),
    ],
)
def test_a_bad_file_says_what_is_wrong(csv, content, message):
    with pytest.raises(ValueError, match=message):
        table(csv(content), "real")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, r"name of the target is missing; the columns of mine.csv are 'x', 'city', 'real'"),
        (
            "reel",
            r"no column is called 'reel'; the nearest are 'real'; the columns of mine.csv are",
        ),
        ("zzz", r"no column is called 'zzz'; the columns of mine.csv are 'x', 'city', 'real'"),
        ("", r"no column is called ''; the columns"),
    ],
)
def test_a_wrong_target_is_answered_with_the_columns(csv, frame, target, message):
    with pytest.raises(ValueError, match=message):
        table(csv(frame), target)


def test_only_the_first_columns_are_listed(csv):
    path = csv(",".join(f"c{i}" for i in range(500)) + "\n")
    with pytest.raises(ValueError, match=r"'c19' and 480 more$"):
        table(path, "y")


def test_no_such_file(tmp_path):
    with pytest.raises(ValueError, match=r"there is no file '.*none.csv'"):
        table(tmp_path / "none.csv", "y")
    with pytest.raises(ValueError, match=r"ends in .csv, .tsv, .* is needed, not 'mine.xlsx'"):
        table(tmp_path / "mine.xlsx", "y")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match="there is no file"):
        table(tmp_path / "folder.csv", "y")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((40, 2)), "y": np.zeros(39)}, r"not of one length: 'x': \(40, 2\), 'y'"),
        ({"x": np.float64(3), "y": np.zeros(39)}, r"not of one length: 'x': \(\)"),
        ({"x": np.array([{}, None]), "y": np.zeros(2)}, "the array 'x' in mine.npz cannot be read"),
        (
            {"x": np.zeros(9, complex), "y": np.zeros(9)},
            "'x' in mine.npz is of complex128; real numbers",
        ),
        ({"x": np.zeros(20), "y": np.zeros((20, 3))}, "'y'; the columns of mine.npz are 'x', 'y"),
        ({"x": np.zeros(20)}, "no column is called 'y'; the columns of mine.npz are 'x'"),
        ({"y": np.arange(20.0)}, "no column is left to predict 'y' from"),
        ({"x": np.arange(20), "y": np.arange(20).astype("datetime64[D]")}, "'y' is dates or times"),
    ],
)
def test_bad_arrays_say_what_is_wrong(tmp_path, arrays, message):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        table(tmp_path / "mine.npz", "y")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 and then nothing"])
def test_what_is_no_npz_file(csv, content):
    with pytest.raises(ValueError, match=r"mine.npz is no NPZ file"):
        table(csv(content, "mine.npz"), "y")


def test_a_damaged_npz_file(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=900), y=np.arange(900.0))
    damaged = bytearray(path.read_bytes())
    damaged[2000:3000] = bytes(1000)
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"the array 'x' in mine.npz cannot be read"):
        table(path, "y")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter", "not an array")
    with pytest.raises(ValueError, match=r"'letter' in mine.npz is of object"):
        table(path, "letter")
