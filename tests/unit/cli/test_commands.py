"""The command as its users meet it: exit codes, streams, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console

import lambdasim
from lambdasim.cli import main
from lambdasim.cli.commands import said
from lambdasim.cli.report import console
from lambdasim.cli.run import Progress

ROOT = Path(__file__).resolve().parents[3]
SCENARIO = """
duration = "20 min"
[queues.orders]
visibility_timeout = 30
dead_letter_queue = "dlq"
max_receive_count = 2
[queues.dlq]
[functions.worker]
duration = { distribution = "gamma", mean = 0.3, cv = 0.5 }
failure_rate = 0.1
[[mappings]]
queue = "orders"
function = "worker"
[[arrivals]]
queue = "orders"
kind = "poisson"
rate_per_s = 2
"""


@pytest.fixture
def scenario(tmp_path):
    file = tmp_path / "shop.toml"
    file.write_text(SCENARIO)
    return file


@pytest.fixture
def lambdasim_(capsys):
    """Return what the command answers: exit code, standard output, standard error."""

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return call


def test_a_run_prints_a_summary_and_how_fast_it_was(lambdasim_, scenario):
    """The summary on standard output, what differs from run to run on standard error; the file's name is the title."""
    code, out, err = lambdasim_("run", scenario)
    assert 0 == code
    assert ["shop", "arrivals for 20 min, simulated 21 min, seed 0", ""] == out.splitlines()[:3]
    assert " of wall time: " in err
    assert "messages a second" in err
    assert "wall" not in out
    assert out == lambdasim_("run", scenario)[1]


def test_json_is_all_there_is_on_standard_output(lambdasim_, scenario):
    """A program can read it, and nothing else is said."""
    code, out, err = lambdasim_("run", scenario, "--json", "--seed", 7, "--set", "title=Other")
    found = json.loads(out)
    assert (0, "", 7, "Other") == (code, err, found["seed"], found["title"])
    assert lambdasim.__version__ == found["lambdasim_version"]


def test_quiet_says_nothing_and_writes_files(lambdasim_, scenario, tmp_path):
    """Files are written where they are asked for."""
    files = {"--csv": tmp_path / "s.csv", "--plot": tmp_path / "s.png"}
    arguments = [text for option, file in files.items() for text in (option, file)]
    assert (0, "", "") == lambdasim_("run", scenario, "--quiet", *arguments)
    assert 1 + 21 == len(files["--csv"].read_text().splitlines())
    assert files["--plot"].read_bytes().startswith(b"\x89PNG")
    code, out, _ = lambdasim_("run", scenario, "--quiet", "--json")
    assert (0, "shop") == (code, json.loads(out)["title"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--set", "queues.orders.delay=3"], "shop.toml, --set: queues.orders.delay = 3: unknown key; did you mean"),
        (
            ["--set", "mappings.0.batch_size=20"],
            "shop.toml, --set: mappings.0: Maximum batch window in seconds must be",
        ),
        (["--csv", "nowhere/x.csv"], "nowhere/x.csv: there is no folder nowhere"),
        (["--plot", "nowhere/x.png"], "nowhere/x.png: there is no folder nowhere"),
        (["--plot", "x.bmp"], "--plot x.bmp: the name must end in .png, .svg, .pdf"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(lambdasim_, scenario, monkeypatch, tmp_path, arguments, complaint):
    """Exit code 2, the reason on standard error, and nothing on standard output."""
    monkeypatch.chdir(tmp_path)
    code, out, err = lambdasim_("run", "shop.toml", *arguments)
    assert (2, "") == (code, out)
    assert err.startswith(complaint)
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "no-such-file.toml"], ["run", "."], ["walk"], ["run", "--seed", "x"]]
)
def test_a_wrong_command_line_has_exit_code_2(lambdasim_, arguments):
    """With a hint how it is used."""
    code, out, err = lambdasim_(*arguments)
    assert (2, "") == (code, out)
    assert "Usage: lambdasim" in err


def test_what_the_library_refuses_in_the_middle_of_a_run(lambdasim_, tmp_path, monkeypatch):
    """A duration beyond what a run can hold names the scenario too."""
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(SCENARIO)

    def stall(self, watch=None):
        raise lambdasim.errors.SimulationStalledError("time stands still")

    monkeypatch.setattr("lambdasim.cli.run.Run.run", stall)
    assert (2, "", "s.toml: time stands still\n") == lambdasim_("run", "s.toml")


def test_a_file_that_cannot_be_written_is_named(lambdasim_, scenario, tmp_path):
    """A folder stands where the file should go: refused before time is spent on the run."""
    folder = tmp_path / "s.csv"
    folder.mkdir()
    code, out, err = lambdasim_("run", scenario, "--csv", folder)
    assert (2, "") == (code, out)
    assert f"File '{folder}' is a directory." in err


def test_a_file_that_cannot_be_written_after_all(lambdasim_, scenario, tmp_path):
    """What only the attempt shows is said without a traceback, too."""
    file = tmp_path / f"{'x' * 300}.csv"
    code, out, err = lambdasim_("run", scenario, "--csv", file)
    assert (2, "") == (code, out)
    assert err == f"{file}: File name too long\n"


def test_a_long_run_shows_its_progress_on_a_terminal(monkeypatch, lambdasim_, scenario):
    """The bar comes after a second, leaves nothing behind, and changes no answer."""
    _, plain, _ = lambdasim_("run", scenario)
    shown, seconds = StringIO(), count()
    terminal = Console(file=shown, force_terminal=True, width=100)
    monkeypatch.setattr("lambdasim.cli.commands.monotonic", lambda: next(seconds) / 4)
    monkeypatch.setattr("lambdasim.cli.commands.console", lambda is_error=False: terminal if is_error else console())
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    code, out, err = lambdasim_("run", scenario)
    assert (0, plain, "") == (code, out, err)
    assert "draining" in shown.getvalue()
    assert " messages" in shown.getvalue()
    assert "wall time" in shown.getvalue()


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(now_us=60_000_000, arrivals_us=120_000_000, sent=1_500, gone=0), "1 min of 2 min, 1,500 messages"),
        (Progress(now_us=180_000_000, arrivals_us=120_000_000, sent=3_000, gone=9), "3 min, 9 of 3,000 messages"),
    ],
)
def test_progress_in_words(progress, words):
    """What the bar says beside itself."""
    assert words == said(progress)


def test_version_and_help(lambdasim_):
    """Both answer without a scenario."""
    assert (0, f"lambdasim, version {lambdasim.__version__}\n", "") == lambdasim_("--version")
    code, out, _ = lambdasim_("run", "--help")
    assert 0 == code
    for option in ("--set", "--seed", "--json", "--csv", "--plot", "--quiet"):
        assert f"  {option}" in out


@pytest.mark.parametrize("missing", ["click", "matplotlib", "pydantic", "rich"])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, lambdasim_, missing):
    """Nobody meets an ImportError."""
    monkeypatch.setitem(sys.modules, missing, None)
    assert (
        2,
        "",
        f"The command lambdasim needs {missing}; install it with: python -m pip install 'lambdasim[cli]'\n",
    ) == lambdasim_("--version")


def in_a_process(*commands, **environment):
    """Return what a process of its own prints that runs these commands one after the other."""
    program = (
        "import json, sys\nfrom lambdasim.cli import main\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    try:\n        main(command)\n    except SystemExit as ended:\n        assert not ended.code"
    )
    return subprocess.run(
        [sys.executable, "-c", program, json.dumps(commands)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
    ).stdout


def test_the_same_seed_gives_the_same_bytes_in_every_process(scenario, tmp_path):
    """Summary, JSON, series and picture do not depend on the hashes of a process."""
    answers = []
    for hash_seed in ("0", "1"):
        files = [tmp_path / f"{hash_seed}.{suffix}" for suffix in ("csv", "png")]
        printed = in_a_process(
            ["run", str(scenario)],
            ["run", str(scenario), "--json", "--csv", str(files[0]), "--plot", str(files[1])],
            PYTHONHASHSEED=hash_seed,
            PYTHONIOENCODING="utf-8",
        )
        answers.append([printed, *(file.read_bytes() for file in files)])
    assert answers[0] == answers[1]
    assert all(answers[0])
    summary, brace, report = answers[0][0].partition(b"{")
    assert b"arrivals for 20 min" in summary
    assert json.loads(brace + report)["seed"] == 0


def test_letters_that_the_output_does_not_have_are_replaced(scenario):
    """A terminal of another age shows a question mark, and JSON is plain ASCII everywhere."""
    command = ["run", str(scenario), "--set=title=Bestellungen für Zürich"]
    printed = in_a_process(command, [*command, "--json"], PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert b"Bestellungen f?r Z?rich" in printed
    assert b"Bestellungen f\\u00fcr Z\\u00fcrich" in printed


def test_help_loads_neither_pictures_nor_tables():
    """`lambdasim --version` answers at once: what takes long to import is imported when it is needed."""
    program = (
        "import sys\nfrom lambdasim.cli import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit:\n    print('matplotlib' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "False" == run.stdout.splitlines()[-1]
