"""Docstrings: complete, true about defaults, and with examples that run.

They are read with the parser of scikit-learn itself, which shows them as tooltips of an estimator in a notebook.
"""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.externals._numpydoc.docscrape import NumpyDocString

import skreg
from skreg import LassoNetClassifier, LassoNetRegressor, MLPClassifier, MLPRegressor

CLASSES = [MLPRegressor, MLPClassifier]
PATHS = [LassoNetRegressor, LassoNetClassifier]
BOTH = pytest.mark.parametrize("cls", CLASSES)
ALL = pytest.mark.parametrize("cls", [*CLASSES, *PATHS])


def sections(thing):
    """Docstring of an object, parsed; a mistake in its form is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return NumpyDocString(inspect.getdoc(thing) or "")


def entries(thing, section):
    """{name: (type, description)} of a section."""
    return {entry.name: (entry.type, " ".join(entry.desc)) for entry in sections(thing)[section]}


def modules():
    """Names of all modules of the package; `__main__` would run the command line."""
    found = pkgutil.walk_packages(skreg.__path__, "skreg.")
    return ["skreg", *(module.name for module in found if not module.name.endswith("__main__"))]


# Estimators ----------------------------------------------------------------------------------------------------------


@ALL
def test_every_parameter_is_documented_in_the_order_of_the_signature(cls):
    assert list(entries(cls, "Parameters")) == list(inspect.signature(cls).parameters)


@pytest.mark.parametrize(
    ("cls", "name"), [(cls, name) for cls in [*CLASSES, *PATHS] for name in inspect.signature(cls).parameters]
)
def test_the_documented_default_is_the_true_one(cls, name):
    documented = entries(cls, "Parameters")[name][0]
    value = re.search(r"default=(.+)$", documented)
    assert value, f"no default in {documented!r}"
    default = inspect.signature(cls).parameters[name].default
    found = ast.literal_eval(value.group(1))
    assert (found, type(found)) == (default, type(default))


@ALL
@pytest.mark.parametrize("section", ["Parameters", "Attributes"])
def test_every_entry_has_a_type_and_a_sentence(cls, section):
    for name, (kind, description) in entries(cls, section).items():
        assert kind, f"{name} has no type"
        assert description.rstrip().endswith((".", ":", "``")), f"{name}: {description!r}"


def test_both_classes_say_the_same_of_what_they_share():
    regressor, classifier = (entries(cls, "Parameters") for cls in CLASSES)
    shared = regressor.keys() & classifier.keys()
    # The classifier's validation split is stratified, which it says; their losses have the name in common.
    differing = {name for name in shared if regressor[name] != classifier[name]}
    assert differing == {"early_stopping", "loss"}


def test_both_paths_say_the_same_of_what_they_share():
    regressor, classifier = (entries(cls, "Parameters") for cls in PATHS)
    differing = {name for name in regressor.keys() & classifier.keys() if regressor[name] != classifier[name]}
    assert differing == {"validation_fraction"}  # the classifier's split is stratified


def _fits():
    """(name, fitted estimator) of each way to be fitted that may leave attributes of its own."""
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 2)), columns=["a", "b"])
    y = (X["a"] > 0).astype(int).to_numpy()
    targets = {"one": y, "many": np.column_stack([y, 1 - y])}
    for cls in CLASSES:
        for solver in ("adam", "sgd", "lbfgs"):
            for early_stopping in (False, True):
                for kind, target in targets.items():
                    net = cls((2,), solver=solver, early_stopping=early_stopping, max_iter=2, tol=0.1)
                    yield f"{cls.__name__} {solver} {early_stopping} {kind}", net.fit(X, target)
    for cls in PATHS:
        for kind, target in targets.items():
            yield f"{cls.__name__} {kind}", cls((2,), max_iter=2, n_features_to_select=1).fit(X, target)


@pytest.fixture(scope="module")
def fits():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(_fits())


def test_every_fitted_attribute_is_documented_and_every_documented_one_is_there(fits):
    for name, net in fits.items():
        names = {*vars(net), *(key for key, value in inspect.getmembers(type(net)) if isinstance(value, property))}
        fitted = {key for key in names if key.endswith("_") and not key.startswith("_")}
        elsewhere = set() if type(net) in PATHS else {"loss_"}
        assert fitted | elsewhere == set(entries(type(net), "Attributes")), name


def test_attributes_that_may_be_none_say_so(fits):
    for name, net in fits.items():
        for attribute, (kind, _) in entries(type(net), "Attributes").items():
            assert getattr(net, attribute) is not None or "None" in kind, f"{attribute} of {name}"


# Functions, methods, modules -----------------------------------------------------------------------------------------


def _public_methods():
    for cls in [*CLASSES, *PATHS]:
        for name in dir(cls):
            function = inspect.getattr_static(cls, name)
            function = getattr(function, "fn", function)  # what `available_if` holds
            if not name.startswith("_") and getattr(function, "__module__", "").startswith("skreg"):
                yield pytest.param(function, id=f"{cls.__name__}.{name}")


def _public_functions():
    for name in skreg.__all__:
        if inspect.isfunction(getattr(skreg, name)):
            yield pytest.param(getattr(skreg, name), id=name)


@pytest.mark.parametrize("function", [*_public_methods(), *_public_functions()])
def test_a_public_function_documents_its_arguments_and_its_result(function):
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    documented = [name.strip("* ") for entry in entries(function, "Parameters") for name in entry.split(",")]
    assert documented == names
    assert sections(function)["Returns"]
    assert sections(function)["Summary"][0].endswith(".")


@BOTH
def test_the_methods_that_must_be_documented_are_found(cls):
    found = {case.id for case in _public_methods()}
    needed = {"fit", "partial_fit", "predict", "objective", "kkt_residual"}
    needed |= {"predict_proba", "predict_log_proba"} if cls is MLPClassifier else set()
    assert {f"{cls.__name__}.{name}" for name in needed} <= found


@pytest.mark.parametrize("name", skreg.__all__)
def test_a_public_name_has_a_docstring(name):
    thing = getattr(skreg, name)
    assert isinstance(thing, str) or len(inspect.getdoc(thing)) > 30


def test_fields_of_the_objective_are_documented():
    documented = [name.strip() for entry in entries(skreg.Objective, "Attributes") for name in entry.split(",")]
    assert documented == list(skreg.Objective._fields)


def test_attributes_of_the_divergence_error_are_documented():
    assert set(entries(skreg.DivergenceError, "Attributes")) == set(vars(skreg.DivergenceError(1, 0.1)))


@pytest.mark.parametrize("module", modules())
def test_a_module_says_what_it_is_about_and_its_examples_run(module):
    module = importlib.import_module(module)
    assert module.__doc__ and module.__doc__.strip()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an example that warns is no example
        result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


@BOTH
def test_the_estimators_have_examples(cls):
    examples = doctest.DocTestFinder(recurse=False).find(cls)[0].examples
    assert len(examples) >= 5
