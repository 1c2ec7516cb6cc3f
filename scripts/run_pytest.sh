#!/usr/bin/env bash
# Run pytest on a screen, or, where there is none, without the tests that need one.
# usage: scripts/run_pytest.sh BIN_FOLDER MARKS [OPTIONS ...]
set -euo pipefail

bin=$1
marks=$2
shift 2
screen=()
export NAPARI_ENSURE_PLUGIN_MAIN_THREAD=1
"$bin/python" scripts/check_window.py
if [ "$(uname)" = Linux ] && [ -z "${DISPLAY:-}" ]; then
  if command -v xvfb-run > /dev/null; then
    screen=(xvfb-run -a -s "-screen 0 1600x1000x24")
  else
    echo "No screen and no xvfb-run: the tests that open a window are left out." \
      "For them: apt-get install -y xvfb xauth"
    export QT_QPA_PLATFORM=offscreen
    marks="$marks and not gl"
  fi
fi
exec ${screen[@]+"${screen[@]}"} "$bin/python" -m pytest -m "$marks" "$@"
