#!/usr/bin/env bash
# Run every check in a virtual environment of its own: style, types, then pytest with a real browser.
#
# The environment .venv-test is kept and rebuilt when a requirements file changes; --fresh rebuilds it now. Other
# arguments go to pytest: `tests/run.sh -n0 --pdb`. PYTHON chooses the interpreter (3.11 or newer), CHROMIUM the browser.
# Each of up to four test processes takes 2 GB of memory.
set -euo pipefail
cd "$(dirname "$0")/.."

fresh=0
if [ "${1:-}" = --fresh ]; then fresh=1 && shift; fi

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "tests/run.sh: $("$python" --version) is too old; install Python 3.11 or newer, or set PYTHON" >&2
    exit 2
}

environment=.venv-test
built_from=$({ "$python" --version && cat requirements*.txt; } | cksum)
if [ "$fresh" = 1 ] || [ "$(cat "$environment/built-from" 2>/dev/null)" != "$built_from" ]; then
    "$python" -m venv --clear "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
    echo "$built_from" >"$environment/built-from"
fi
# shellcheck disable=SC1091
. "$environment/bin/activate"

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
