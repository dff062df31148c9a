"""The benchmarks of the statistics and of releases, at a few runs each, print every figure and fail when one misses its
target; what those of the gateway can say without a load."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TITLES = (
    "False alarms of windows",
    "False alarms of the e-detector",
    "Delay until a change is seen",
    "Type I error of release tests, alpha 0.05",
    "Rows until a verdict",
    "Power by size of change",
    "Speed",
)
RELEASE_TITLES = (
    "What became of the releases",
    "Predictions answered by a worse candidate",
    "In their first week, by service",
    "Promoted, and median time to the end, by service",
)
STRATEGIES = ("canary", "A/B", "shadow, then canary", "bandit")
VERDICT = r"\| (?:pass|FAIL) \|$"


@dataclass(frozen=True)
class Finished:
    code: int
    printed: str
    written: str

    def has_line(self, pattern: str) -> bool:
        return re.search(pattern, self.written, re.MULTILINE) is not None


@pytest.fixture(scope="module")
def finished(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return run(root, tmp_path_factory, "benchmarks.stats", "all", "--runs", "1")


@pytest.fixture(scope="module")
def released(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return run(root, tmp_path_factory, "benchmarks.releases", "--runs", "4")


def run(root: Path, folders: pytest.TempPathFactory, *asked: str) -> Finished:
    file = folders.mktemp("benchmarks") / "tables.md"
    command = [sys.executable, "-W", "error", "-m", *asked, "--markdown", str(file)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=200, check=False)
    assert not done.stderr
    return Finished(done.returncode, done.stdout, file.read_text())


def test_every_table_is_printed_and_written(finished: Finished) -> None:
    assert tuple(re.findall(r"^### (.+)$", finished.written, re.MULTILINE)) == TITLES
    assert all(title in finished.printed for title in TITLES)


@pytest.mark.parametrize(
    "line",
    [
        r"^\| independent rows, 50,000 rows in 30 days \| level alone \|.* ≤ asked, within chance ",
        r"^\| 20 heavy-tailed features \|.* ≤ asked ",
        r"^\| error rate \.2 to \.3 \| e-detector.* ≤ 500 ",
        r"^\| error rate \.2 to \.4 \| e-detector.* ≤ 160 ",
        r"^\| 0\.5 sigma in one of 20 features \| e-detector.* ≤ 1,000 ",
        r"^\| e-process of proportions \|.* ≤ 0\.05 ",
        r"^\| windows and e-detector.* ≥ 2,000,000 ",
    ],
)
def test_a_figure_stands_beside_its_target(finished: Finished, line: str) -> None:
    assert finished.has_line(line + VERDICT)


def test_a_missed_target_fails_the_command(finished: Finished) -> None:
    missed = finished.written.count("| FAIL |")
    assert finished.code == int(missed > 0)
    assert (f"{missed} targets missed" if missed else "all targets met") in finished.printed


def test_river_is_compared_and_not_judged(finished: Finished) -> None:
    assert finished.has_line(r"^\| error rate \.2 to \.3 \| river ADWIN \|")
    assert finished.has_line(r"^\| change \|.* ADWIN \|.* KSWIN \|")
    assert not finished.has_line(r"^\|.* river .*" + VERDICT)


def test_every_table_of_releases_is_printed_and_written(released: Finished) -> None:
    assert tuple(re.findall(r"^### (.+)$", released.written, re.MULTILINE)) == RELEASE_TITLES
    assert all(title in released.printed for title in RELEASE_TITLES)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_is_asked_to_hold_worse_candidates_back_and_to_spare_users(
    released: Finished, strategy: str
) -> None:
    worse = r"^\| (?:error rate \+ (?:2|1\.25) δ|5 % of (?:requests fail|answers slow)) \| "
    ends = re.findall(worse + strategy + r" \| 4 \|.* promoted < 0\.05 " + VERDICT, released.written, re.MULTILINE)
    assert len(ends) == 4
    assert released.has_line(rf"^\| all worse candidates \| {strategy} \|.* first week ≤ 0\.5 x " + VERDICT)


@pytest.mark.parametrize("rule", ["thresholds", "fixed size"])
def test_the_usual_rules_release_the_same_candidates_and_are_not_judged(released: Finished, rule: str) -> None:
    assert len(re.findall(rf"^\| .* \| {rule} \| 4 \|", released.written, re.MULTILINE)) == 6
    assert not released.has_line(rf"^\| .* \| {rule} \|.*" + VERDICT)


def test_a_missed_target_of_releases_fails_the_command(released: Finished) -> None:
    missed = released.written.count("| FAIL |")
    assert released.code == int(missed > 0)
    assert (f"{missed} targets missed" if missed else "all targets met") in released.printed


def test_the_gateways_command_refuses_an_unknown_section_and_names_all(root: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "benchmarks.gateway", "nonsense"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2
    assert "no section nonsense; there are overhead, mirror-hang, large, idle, memory, peers" in done.stderr


def test_the_gateways_model_answers_a_column_of_labels_and_two_probabilities(root: Path) -> None:
    script = """
from benchmarks.gateway.memory import growth
from benchmarks.gateway.networks import logistic
label, probabilities = logistic().answers(logistic().rows)
print(label.shape, label.dtype, probabilities.shape, probabilities.dtype)
print(round(growth([(requests, 1000 + requests) for requests in range(0, 1001, 100)]), 3))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout.splitlines() == ["(4, 1) int64 (4, 2) float32", "0.333"]
