# shellcheck shell=bash
# Sourced by scripts/test, after bootstrap.sh. The programs that tests drive: a browser, Redis, the sandbox's bubblewrap, and
# Python with what makes an environment of its own.
# As root on Debian they are installed, and no daemon is started by it. Elsewhere the missing ones are named, and the tests that
# need them fail.

missing_debian_packages() {
  command -v chromium >/dev/null || echo chromium
  command -v redis-server >/dev/null || echo redis-server
  command -v bwrap >/dev/null || echo bubblewrap
  # Debian's python3 may be there without these two modules.
  python3 -c 'import venv, ensurepip' 2>/dev/null || echo python3-venv
}

# Debian asks this file before it starts a daemon; 101 means no. One that is there already stays as it is.
policy=/usr/sbin/policy-rc.d

apt_install() {
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT # of this step's own shell
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

install_debian_packages() {
  local missing
  missing=$(missing_debian_packages | tr '\n' ' ')
  missing=${missing% }
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # shellcheck disable=SC2086 # one word per package
    step "Installing Debian packages ($missing)" debian apt_install $missing && return 0
    echo "They could not be installed; the tests that need them will fail. By hand: apt-get install $missing"
  else
    echo "Missing programs: $missing. The tests that need them will fail. On Debian: sudo apt-get install $missing"
  fi
}
