#!/usr/bin/env bash
# Every test in a fresh virtual environment: style, types, then pytest on up to four cores, with a real browser.
# PYTHON chooses the interpreter (3.11 or newer), CHROMIUM a browser; arguments go to pytest. Each core takes 2 GB of
# memory: `tests/run.sh -n0` takes one core, and lets --pdb work.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "tests/run.sh: $("$python" --version) is too old; install Python 3.11 or newer, or set PYTHON" >&2
    exit 2
}

environment=.venv-test
"$python" -m venv --clear "$environment"
# shellcheck disable=SC1091
. "$environment/bin/activate"
python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt

find_chromium() { command -v "${CHROMIUM:-chromium}" || command -v chromium-browser || command -v google-chrome; }
if ! find_chromium >/dev/null; then
    as_root=$([ "$(id -u)" = 0 ] || echo "sudo -n")
    { command -v apt-get && $as_root apt-get update -q && $as_root apt-get install -y -q chromium; } >/dev/null 2>&1 ||
        python -m playwright install --with-deps chromium ||
        python -m playwright install chromium
fi
if CHROMIUM=$(find_chromium); then export CHROMIUM; fi

style=0
ruff check . || style=1
ruff format --check . || style=1
mypy || style=1
python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile "$@"
exit "$style"
