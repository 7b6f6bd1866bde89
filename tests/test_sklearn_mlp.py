"""scikit-learn's own tests of its MLPClassifier and MLPRegressor, run on skreg's classes.

The tests are those of the installed scikit-learn. They run in a process of their own, in which a small pytest plugin
puts our classes in the place of scikit-learn's before the tests are collected.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

MODULE = "sklearn.neural_network.tests.test_mlp"

# Tests that read a private attribute of scikit-learn's classes, which no other class can be asked to have.
READS_PRIVATE_ATTRIBUTES = {
    "test_gradient": "_loss_grad_lbfgs",
    "test_learning_rate_warmstart": "_optimizer",
    "test_adaptive_learning_rate": "_optimizer",
}

PLUGIN = """
import pytest
import sklearn.neural_network
import skreg

sklearn.neural_network.MLPClassifier = skreg.MLPClassifier
sklearn.neural_network.MLPRegressor = skreg.MLPRegressor


@pytest.fixture(params=[0, 42])
def global_random_seed(request):
    return request.param


def pytest_collection_finish(session):
    for item in session.items:
        assert item.module.MLPClassifier is skreg.MLPClassifier
        assert item.module.MLPRegressor is skreg.MLPRegressor
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """{test name: (outcome, text of the failure)} of scikit-learn's tests; a name has its parameters in brackets."""
    folder = tmp_path_factory.mktemp("sklearn_mlp")
    (folder / "skreg_in_place.py").write_text(PLUGIN)
    # --noconftest: scikit-learn's conftest would set the seeds and skip tests by its own environment variables.
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "skreg_in_place", "-p", "no:cacheprovider", "--noconftest",
        "--rootdir", folder, "-c", os.devnull, "--junitxml", folder / "report.xml", "--pyargs", MODULE,
    ]  # fmt: skip
    paths = os.pathsep.join([str(folder), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTEST_ADDOPTS": ""}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (folder / "report.xml").exists(), run.stdout + run.stderr
    cases = ElementTree.parse(folder / "report.xml").iter("testcase")
    return {case.get("name"): _outcome(case) for case in cases}


def _outcome(case):
    """A passed test has neither failure nor error nor a reason for being skipped."""
    for kind in ("failure", "error", "skipped"):
        element = case.find(kind)
        if element is not None:
            return kind, element.text or ""
    return "passed", ""


def test_the_whole_module_is_collected(outcomes):
    source = Path(__import__(MODULE, fromlist=["x"]).__file__).read_text()
    functions = {line.split("(")[0].removeprefix("def ") for line in source.splitlines() if line.startswith("def test")}
    assert {name.split("[")[0] for name in outcomes} == functions
    assert len(outcomes) > 50


def test_all_pass_but_those_that_read_private_attributes(outcomes):
    not_passed = {name: f"{kind}: {text[-2000:]}" for name, (kind, text) in outcomes.items() if kind != "passed"}
    unexpected = {name: why for name, why in not_passed.items() if name not in READS_PRIVATE_ATTRIBUTES}
    assert not unexpected, "\n\n".join(f"{name}\n{why}" for name, why in unexpected.items())
    assert not_passed.keys() == READS_PRIVATE_ATTRIBUTES.keys(), "a test that was expected to fail passes"


@pytest.mark.parametrize(("name", "attribute"), READS_PRIVATE_ATTRIBUTES.items())
def test_the_excluded_fail_for_the_private_attribute_and_nothing_else(outcomes, name, attribute):
    kind, text = outcomes[name]
    assert kind == "failure"
    assert "AttributeError" in text
    assert f"has no attribute '{attribute}'" in text
