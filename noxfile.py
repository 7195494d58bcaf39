"""Every check of the project.

``nox`` runs them all, ``nox -s numpy-3.11`` one of them, ``nox -l`` lists them. What follows ``--``
goes to pytest. Versions come from constraints.txt, requirements from pyproject.toml.
"""

import os
import shutil
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
CONSTRAINTS = ROOT / "constraints.txt"

# Interpreters of pyenv are on no path until one chooses them.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
INTERPRETERS = sorted(str(path) for path in PYENV.glob("versions/3.1[1-9].*/bin"))
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *INTERPRETERS])

nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
# A Python that is not installed here is skipped with a message, also on CI.
nox.options.error_on_missing_interpreters = False
nox.options.error_on_external_run = True
nox.options.sessions = [
    "lint",
    "types",
    "numpy",
    "numpy_oldest",
    "torch",
    "cupy",
    "jax",
    "dask",
    "array_api_strict",
    "frameworks",
    "identical",
    "docs",
    "build",
    "coverage",
]


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group."""
    return list(nox.project.dependency_groups(PROJECT, name))


def pinned(package: str) -> str:
    """Return the line of constraints.txt for a package."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{package}=="))


def install(
    session: nox.Session, *requirements: str, torch: bool = False, constraints: Path = CONSTRAINTS
) -> None:
    """Install with pip in the versions of ``constraints``, which hold for build backends too."""
    env = {"PIP_CONSTRAINT": str(constraints), "PIP_BUILD_CONSTRAINT": str(constraints)}
    if torch:
        # First and by its exact version: found through another package's requirement, pip would
        # take the newest build, with several gigabytes of CUDA.
        session.install(pinned("torch"), env=env)
    session.install(*requirements, env=env)


def check_environment(session: nox.Session, *names: str) -> str:
    """Fail unless the array libraries installed are NumPy and those called ``names``."""
    return str(session.run("python", "-m", "tests.backends", *names, silent=True))


def measured_pytest(session: nox.Session, backends: str, *arguments: str) -> None:
    """Run pytest on some backends, and measure the branches for the session ``coverage``.

    What connects the library to a framework is tested in the session ``frameworks`` alone.
    """
    measure = ("-n", "auto", "--cov", "--cov-report=", "--cov-fail-under=0")
    session.run(
        *("python", "-m", "pytest", *measure, *arguments, *session.posargs),
        env={"SOFTTARGETS_BACKENDS": backends, "COVERAGE_FILE": f".coverage.{session.name}"},
    )


def second_pytest(session: nox.Session, *arguments: str) -> None:
    """Run the suite on NumPy once more, elsewhere: unmeasured, with fewer random examples.

    Its arrays refuse to be written into: of the two variants of NumPy, the stricter one.
    """
    session.run(
        *("python", "-m", "pytest", "-n", "auto", "--hypothesis-profile=few"),
        *("--ignore=tests/frameworks", *arguments, *session.posargs),
        env={"SOFTTARGETS_BACKENDS": "numpy-readonly"},
    )


def test_alone(session: nox.Session, name: str) -> None:
    """Run the whole suite on one backend, where no other is installed."""
    session.log(check_environment(session, name))
    measured_pytest(session, name, "--ignore=tests/frameworks")


@nox.session(python=["3.11", "3.12", "3.13"])
def numpy(session: nox.Session) -> None:
    """NumPy alone, on every supported Python; with what the demo needs."""
    install(session, "-e", ".[demo]", *group("test"))
    if session.python == f"{sys.version_info.major}.{sys.version_info.minor}":
        test_alone(session, "numpy")
    else:
        second_pytest(session)


@nox.session(python="3.11")
def numpy_oldest(session: nox.Session) -> None:
    """The lower bounds of pyproject.toml."""
    oldest = [line.replace(">=", "==") for line in PROJECT["project"]["dependencies"]]
    names = {line.partition("==")[0] for line in oldest}
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    others = [line for line in lines if line.partition("==")[0] not in names]
    constraints = Path(session.create_tmp()).resolve() / "oldest.txt"
    constraints.write_text("\n".join(oldest + others), encoding="utf-8")
    install(session, "-e", ".", *group("test"), constraints=constraints)
    check_environment(session)
    second_pytest(session)


@nox.session
def torch(session: nox.Session) -> None:
    """PyTorch alone."""
    install(session, "-e", ".[torch]", *group("test"), torch=True)
    test_alone(session, "torch")


@nox.session
def cupy(session: nox.Session) -> None:
    """CuPy alone: without a GPU, only that its namespace has what the library calls."""
    install(session, "-e", ".[cupy]", *group("test"))
    found = check_environment(session, "cupy")
    session.log(found)
    has_gpu = "no cuda device" not in found
    if has_gpu:
        measured_pytest(session, "cupy")
    # What the library asks of a namespace is recorded on the one that has only the standard.
    install(session, "array-api-strict")
    session.run("python", "-m", "pytest", "tests/test_cupy_namespace.py", *session.posargs)
    if not has_gpu:
        session.skip("no GPU: nothing was computed with CuPy")


@nox.session
def jax(session: nox.Session) -> None:
    """JAX alone, with and without 64-bit numbers."""
    install(session, "-e", ".[jax]", *group("test"))
    test_alone(session, "jax")


@nox.session
def dask(session: nox.Session) -> None:
    """Dask alone."""
    install(session, "-e", ".[dask]", *group("test"))
    test_alone(session, "dask")


@nox.session
def array_api_strict(session: nox.Session) -> None:
    """array-api-strict alone: its strictest flags, its devices."""
    install(session, "-e", ".", "array-api-strict", *group("test"))
    test_alone(session, "array_api_strict")


@nox.session
def frameworks(session: nox.Session) -> None:
    """What connects the library to each framework, and the training scripts of the pages."""
    extras = "torch,jax,dask,lightgbm,keras,transformers"
    install(session, "-e", f".[{extras}]", *group("frameworks"), *group("test"), torch=True)
    measured_pytest(session, "", "tests/frameworks", "tests/test_examples.py")


@nox.session
def identical(session: nox.Session) -> None:
    """All libraries against each other, and a part of the table of errors in ulp.

    ``nox -s identical -- table`` measures the whole table, for many minutes, and writes it.
    """
    install(session, "-e", ".[torch,jax,dask,demo]", "array-api-strict", *group("test"), torch=True)
    session.log(check_environment(session, "torch", "jax", "dask", "array_api_strict"))
    if session.posargs == ["table"]:
        session.run("python", "-m", "tests.accuracy", "--write", "docs/_generated/accuracy.md")
    else:
        session.run("python", "-m", "tests.accuracy", "--every", "10")
        # Demo and studies compare libraries too, and no other session has what they need as well.
        together = ("accuracy", "demo", "studies")
        measured_pytest(session, "", *(f"tests/test_{name}.py" for name in together))


@nox.session
def lint(session: nox.Session) -> None:
    """Style."""
    install(session, *group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Types."""
    install(session, "numpy", *group("types"))
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, without a warning or a dead reference, and every example in it."""
    install(session, "-e", ".", *group("docs"), *group("test"))
    session.run("sphinx-build", "-n", "-W", "--keep-going", "-q", "docs", "docs/_build/html")
    session.run("python", "-m", "pytest", "tests/test_examples.py", "tests/test_docs.py")


@nox.session(reuse_venv=False)  # pip would keep an older wheel of the same version
def build(session: nox.Session) -> None:
    """The wheel, tested by the tests of the source distribution where there is no ``src``."""
    made = Path(session.create_tmp()).resolve()
    shutil.rmtree(made, ignore_errors=True)
    install(session, *group("build"))
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(made / "dist"), ".")
    (wheel,) = made.glob("dist/*.whl")
    (source,) = made.glob("dist/*.tar.gz")
    shutil.unpack_archive(source, made / "unpacked", filter="data")
    (tree,) = (made / "unpacked").iterdir()
    shutil.rmtree(tree / "src")
    install(session, f"{wheel}[demo]", *group("test"))
    session.chdir(tree)
    session.run("softtargets", "backends")
    second_pytest(session, "-m", "not repository")


@nox.session
def coverage(session: nox.Session) -> None:
    """Every branch is run by some session. Run it after the others."""
    data = sorted(str(path) for path in ROOT.glob(".coverage.*"))
    if not data:
        session.error("no measurements: run the test sessions first")
    install(session, "coverage")
    session.run("coverage", "combine", "--keep", *data)
    session.run("coverage", "report")


@nox.session(venv_backend="none")
def gpu(session: nox.Session) -> None:
    """The suite on CuPy and CUDA tensors, with what is installed here; needs no network."""
    session.run(
        *(sys.executable, "-m", "pytest", *session.posargs),
        env={
            "PYTHONPATH": os.pathsep.join(["src", os.environ.get("PYTHONPATH", "")]),
            "SOFTTARGETS_BACKENDS": "cupy,torch-cuda",
        },
        external=True,
    )


def install_bench(session: nox.Session) -> None:
    """Install the library and everyone that it is measured beside."""
    install(session, "-e", ".", *group("bench"), torch=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure on the host, then make tables and plots: ``nox -s bench -- --group forward``."""
    install_bench(session)
    session.run("python", "-m", "bench", "run", *session.posargs)
    session.run("python", "-m", "bench", "report")


@nox.session(venv_backend="none")
def bench_gpu(session: nox.Session) -> None:
    """Measure on the GPU with what is installed here; needs no network."""
    for arguments in (("run", "--device", "cuda", *session.posargs), ("report",)):
        session.run(sys.executable, "-m", "bench", *arguments, external=True)


@nox.session
def studies(session: nox.Session) -> None:
    """Run the studies, in some minutes, and write their pages: ``nox -s studies -- gap floor``."""
    install(session, "-e", ".[torch,demo]", torch=True)
    session.run("python", "-m", "studies", *session.posargs)


@nox.session
def compare(session: nox.Session) -> None:
    """Measure two commits against each other: ``nox -s compare -- REV_A REV_B``."""
    install_bench(session)
    session.run("python", "-m", "bench", "compare", *session.posargs)
