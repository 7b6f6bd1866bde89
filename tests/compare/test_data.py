import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skreg.compare._data import make_dataset
from skreg.compare._errors import InputError
from skreg.compare._preprocess import encoded_from, make_model


def encode(dataset):
    return dataset.preprocessor().fit_transform(dataset.X)


def test_numbers_are_imputed_and_scaled(frame):
    dataset = make_dataset(frame[["size", "noise"]], frame["price"])
    encoded = encode(dataset)
    assert dataset.input_names == ["size", "noise"]
    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(encoded.std(axis=0), 1)
    size = frame["size"].fillna(frame["size"].median())
    np.testing.assert_allclose(encoded[:, 0], (size - size.mean()) / size.std(ddof=0))


def test_categories_and_booleans_are_one_hot_encoded(frame):
    dataset = make_dataset(frame[["city", "size", "is_new"]], frame["price"])
    assert (dataset.numeric, dataset.categorical) == (["size"], ["city", "is_new"])
    assert dataset.input_names == ["size", "city", "is_new"]
    # One number, three cities and a missing one, two truth values.
    encoded = encode(dataset)
    assert encoded.shape == (72, 1 + 4 + 2)
    np.testing.assert_array_equal(encoded[:, 1:5].sum(axis=1), 1)


@pytest.mark.parametrize("dtype", ["str", "string", "category", object])
def test_every_kind_of_text_with_missing_values(frame, dtype):
    X = pd.DataFrame({"city": frame["city"].astype(dtype), "size": frame["size"]})
    dataset = make_dataset(X, frame["price"])
    assert dataset.categorical == ["city"]
    assert encode(dataset).shape == (72, 1 + 4)


@pytest.mark.parametrize("dtype", ["Float64", "float32", object])
def test_every_kind_of_number_with_missing_values(frame, dtype):
    X = pd.DataFrame({"size": frame["size"].astype(dtype), "noise": frame["noise"]})
    dataset = make_dataset(X, frame["price"])
    assert dataset.numeric == ["size", "noise"]
    assert np.isfinite(encode(dataset).astype(float)).all()


def test_many_categories_share_a_column_and_new_ones_are_known():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"code": rng.choice([f"c{i}" for i in range(60)], 400)})
    dataset = make_dataset(X, np.arange(400.0))
    preprocessor = dataset.preprocessor().fit(dataset.X)
    assert preprocessor.transform(pd.DataFrame({"code": ["c1", "new"]})).shape == (2, 20)


def test_sparse_inputs_stay_sparse():
    X = sparse.random_array((30, 8), density=0.3, rng=0, format="csc")
    encoded = encode(make_dataset(X, np.arange(30.0)))
    assert sparse.issparse(encoded)
    assert abs(encoded).max() <= 1


def test_sparse_columns_of_a_table_are_scaled_as_others_are():
    X = sparse.random_array((30, 4), density=0.3, rng=0)
    tables = pd.DataFrame.sparse.from_spmatrix(X), pd.DataFrame(X.toarray())
    np.testing.assert_array_equal(*[encode(make_dataset(table, np.arange(30.0))) for table in tables])


def test_columns_that_say_nothing_are_left_out():
    n_rows = 40
    X = pd.DataFrame(
        {
            "Unnamed: 0": range(n_rows),
            "when": pd.date_range("2020-01-01", periods=n_rows),
            "day": pd.date_range("2020-01-01", periods=n_rows).strftime("%Y-%m-%d"),
            "name": [f"person {i}" for i in range(n_rows)],
            "size": np.arange(n_rows) % 7,
        }
    )
    dataset = make_dataset(X, np.arange(n_rows) / 3)
    assert dataset.input_names == ["size"]
    assert len(dataset.notes) == 3
    for name in ("Unnamed: 0", "when", "day", "name"):
        assert any(repr(name) in note for note in dataset.notes)


def test_rows_without_a_target_are_left_out(frame):
    frame.loc[[2, 4], "price"] = np.nan
    dataset = make_dataset(frame[["size"]], frame["price"])
    assert len(dataset.y) == len(dataset.X) == 70
    assert dataset.target == "price"
    assert dataset.notes == ["Left out 2 rows without a value of the target."]


@pytest.mark.parametrize(
    "X, words",
    [
        (pd.DataFrame({"a": [1.0, 2, 3], "b": [np.nan] * 3}), "'b' has no values"),
        (pd.DataFrame({"a": [1.0, 2, np.inf]}), "'a' holds an infinite value"),
        (pd.DataFrame([[1, 2], [3, 4], [5, 6]], columns=["a", "a"]), "'a' is repeated"),
        (pd.DataFrame({"a": ["x", 2, 3]}), "'a' holds values of type 'mixed"),
        (pd.DataFrame({"a": [[1], [2], [3]]}), "'a' holds values of type"),
        (pd.DataFrame({"a": pd.date_range("2020", periods=3)}), "No usable input"),
        (pd.DataFrame(index=range(3)), "No usable input"),
        (np.array([[1.0, np.nan]] * 3), "column 1 of X has no values"),
        (np.array([[1.0, np.inf]] * 3), "infinite"),
        (np.array([["a"]] * 3), "pandas DataFrame"),
        (np.ones(3), "two dimensions"),
        (np.ones((4, 2)), "X has 4 rows and y has 3"),
        (sparse.csr_array(np.array([[np.nan]] * 3)), "missing or infinite"),
    ],
)
def test_inputs_that_are_refused(X, words):
    with pytest.raises(InputError, match=words):
        make_dataset(X, [1.5, 2.5, 4.0])


def test_columns_without_text_as_names_are_renamed(frame):
    X = frame[["size", "city"]].set_axis([0, "city"], axis=1)
    dataset = make_dataset(X, frame["price"])
    assert dataset.input_names == ["0", "city"]
    assert dataset.steps == ["X = X.rename(columns=str)"]


def test_encoded_columns_know_their_input(frame):
    from sklearn.linear_model import Ridge

    dataset = make_dataset(frame[["city", "size", "is_new", "noise"]], frame["price"])
    model = make_model(dataset.preprocessor(), Ridge(), is_regression=True)
    model.fit(dataset.X, dataset.y)
    origin = encoded_from(model, 4)
    names = model[0].get_feature_names_out()
    assert len(origin) == len(names)
    for index, name in zip(origin, names, strict=True):
        assert dataset.input_names[index] in name


def text_column(n_rows, marks, form="{}"):
    """Numbers as text, with marks in the first rows."""
    texts = pd.Series([form.format(number) for number in range(50, 50 + n_rows)])
    texts[: len(marks)] = marks
    return texts


@pytest.mark.parametrize("dtype", [object, "str", "string"])
@pytest.mark.parametrize("marks, words", [
    ([], "as text; they are read as numbers"),
    (["?"], "but for 1 row, read as missing: '?'"),
    (["?", "none", "?", None], "but for 3 rows, read as missing: '?', 'none'"),
])  # fmt: skip
def test_a_column_of_numbers_with_a_few_marks_is_one_of_numbers(dtype, marks, words):
    X = pd.DataFrame({"hp": text_column(80, marks).astype(dtype), "size": np.arange(80) % 7})
    original = X.copy()
    dataset = make_dataset(X, np.arange(80) / 3)
    assert dataset.numeric == ["hp", "size"]
    assert [note.endswith(f"{words}.") for note in dataset.notes] == [True]
    np.testing.assert_array_equal(dataset.X["hp"][len(marks) :], np.arange(50 + len(marks), 130))
    assert dataset.X["hp"][: len(marks)].isna().all()
    pd.testing.assert_frame_equal(X, original)
    names = {"pd": pd, "X": X}
    exec("\n".join(dataset.steps), names)
    pd.testing.assert_frame_equal(names["X"], dataset.X)


@pytest.mark.parametrize("texts", [
    [str(i % 8) for i in range(79)] + ["8+"],  # codes
    text_column(80, ["?"] * 5),  # more than a few
    pd.Categorical(text_column(80, ["?"]).where(np.arange(80) < 20)),  # as its owner says
])  # fmt: skip
def test_a_column_of_categories_stays_one(texts):
    X = pd.DataFrame({"code": texts, "size": np.arange(80) % 7})
    dataset = make_dataset(X, np.arange(80) / 3)
    assert dataset.steps == []
    assert "code" not in dataset.numeric


@pytest.mark.parametrize("form", ["{}%", "$ {}", "{},000", "{}.000,5 €", "{},5"])
def test_numbers_with_units_are_pointed_out(form):
    X = pd.DataFrame({"share": text_column(80, [], form), "size": np.arange(80) % 7})
    notes = make_dataset(X, np.arange(80) / 3).notes
    assert any(f"such as '{form.format(50)}'" in note and "without units" in note for note in notes)


@pytest.mark.parametrize("column", [
    [7.0] * 40, [7] * 39 + [None], [True] * 40, ["a"] * 40, pd.Categorical(["a"] * 40, categories=["a", "b"]),
])  # fmt: skip
def test_constant_columns_are_left_out(column):
    X = pd.DataFrame({"same": column, "size": np.arange(40) % 7})
    dataset = make_dataset(X, np.arange(40) / 3)
    assert dataset.input_names == ["size"]
    assert dataset.notes == ["Left out 'same': the value is the same in all rows."]


def test_one_category_beside_missing_values_says_something():
    X = pd.DataFrame({"pool": ["yes", None] * 20})
    assert make_dataset(X, np.arange(40) / 3).categorical == ["pool"]
