"""The entries of the house: `nox` for lint, types and tests; `nox -l` lists the rest, as `nox -s docs`."""

import re
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_venv = "yes"


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and form."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types of the package, and of the public API as users type it."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the test-suite, on each supported Python that is here: `nox -s tests-3.12 -- -k visibility`."""
    session.install("-e", ".[dev]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def old_clients(session: nox.Session) -> None:
    """Call Lambda and SQS with clients of boto3 as they were in 2024."""
    session.install("-e", ".[dev]")
    session.install("boto3==1.34.162")
    session.run("pytest", "tests/unit/bridges", *map(str, sorted(Path("tests/conformance").glob("test_boto3_*.py"))))


@nox.session
def docs(session: nox.Session) -> None:
    """Execute what the README, the docs, the docstrings and the examples show, and each scenario."""
    session.install("-e", ".[dev]")
    session.run("pytest", "tests/examples", *session.posargs)
    for scenario in sorted(Path("docs/examples").glob("*.toml")):
        session.run("lambdasim", "run", str(scenario))


@nox.session
def pictures(session: nox.Session) -> None:
    """Draw the pictures of the documents again, by running their programs."""
    session.install("-e", ".[planning,testing]")
    with Path("docs/pictures/race.svg").open("w", encoding="utf-8") as race:
        session.run("python", "docs/examples/race.py", stdout=race)
    page = Path("docs/validation.md").read_text(encoding="utf-8")
    for program in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        session.run("python", "-c", program)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks beside their peers; the numbers are a report, never a gate."""
    session.install("-e", ".[bench]")
    session.run("python", "-m", "benchmarks", *session.posargs)
