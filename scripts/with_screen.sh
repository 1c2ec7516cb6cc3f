#!/usr/bin/env bash
# Run a command with a screen: the user's, else a virtual one; exit 3 if there is neither.
set -euo pipefail

if [ "$(uname)" != Linux ] || [ -n "${DISPLAY:-}" ]; then
  exec "$@"
fi
if command -v xvfb-run > /dev/null; then
  exec xvfb-run -a -s "-screen 0 1600x1000x24" "$@"
fi
echo "No screen and no xvfb-run: apt-get install -y xvfb xauth" >&2
exit 3
