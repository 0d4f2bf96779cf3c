# shellcheck shell=bash
# Sourced by scripts/start and scripts/test. After `bootstrap` Node 24 is first on PATH and the packages of package-lock.json are
# installed under it, never under an older Node: native packages are picked for the Node that runs npm.
# Safe to repeat and to interrupt: what was not finished is done again. Runs on bash 3.2 too (macOS).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
me=scripts/$(basename "$0")
node_major=24
oldest_host_node=20
logs=$root/.node/log
lock=$root/.node/installing
stamp=$root/node_modules/.installed

fail() {
  release_lock
  printf '%s: %s\n' "$me" "$1" >&2
  exit 1
}

# step <what> <name of its log> <command…>: runs it in the project's folder and prints one line with the seconds it took.
# When it fails, it shows the end of the log and leaves the advice to its caller.
step() {
  local what=$1 log=$logs/$2.log began=$SECONDS status=0 pid shown=-1
  shift 2
  mkdir -p "$logs"
  printf '%s … ' "$what"
  set -m # a process group of its own, so that Ctrl-C ends npm's children too
  { cd "$root" && "$@"; } >"$log" 2>&1 </dev/null &
  pid=$!
  set +m
  trap 'echo; end_group "$pid"; release_lock; exit 130' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    if [ -t 1 ] && [ "$shown" != $((SECONDS - began)) ]; then
      shown=$((SECONDS - began))
      printf '\r%s … %d s ' "$what" "$shown"
    fi
    sleep 0.2
  done
  wait "$pid" || status=$?
  stop_when_told
  if [ "$status" = 0 ]; then
    [ -t 1 ] && printf '\r%s … ' "$what"
    printf '%d s\n' $((SECONDS - began))
    return
  fi
  printf 'failed after %d s\n' $((SECONDS - began))
  grep -v 'npm warn Unknown' "$log" | tail -n 20 | sed 's/^/  | /' >&2
  printf '  The whole log: %s\n' "${log#"$root"/}" >&2
  return "$status"
}

# Between steps a signal might reach only the small command of that moment, and we would go on.
stop_when_told() { trap 'echo; release_lock; exit 130' INT TERM; }

# Ends a process group and waits for it: what comes next must not meet its half-written files.
end_group() {
  local tries=0
  while kill -TERM -- "-$1" 2>/dev/null && [ "$tries" -lt 25 ]; do
    tries=$((tries + 1))
    sleep 0.2
  done
  kill -KILL -- "-$1" 2>/dev/null || true
}

major_of() { "$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

# One installation at a time. The link's target is the owner's process id, and making a link is atomic; a dead owner's is taken over.
take_lock() {
  local owner told=
  mkdir -p "$root/.node"
  until ln -s "$$" "$lock" 2>/dev/null; do
    owner=$(readlink "$lock" || true)
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
      rm -f "$lock"
    else
      [ -n "$told" ] || echo "Waiting for another installation in this folder (process $owner; if there is none, delete .node/installing) …"
      told=yes
      sleep 0.5
    fi
  done
}

release_lock() { [ "$(readlink "$lock" 2>/dev/null)" != "$$" ] || rm -f "$lock"; }

use_node() {
  local found
  command -v node >/dev/null || fail "Node.js is missing. Install Node $node_major (or $oldest_host_node and up) with npm, from nodejs.org or your package manager, then try again."
  command -v npm >/dev/null || fail "npm is missing. It comes with Node.js from nodejs.org; on Debian: apt-get install npm. Then try again."
  found=$(major_of node)
  [ "$found" -ge "$oldest_host_node" ] || fail "Node $(node --version 2>/dev/null) is too old to install with. Install Node $node_major (or $oldest_host_node and up), then try again."
  [ "$found" = "$node_major" ] && return
  own_node=$root/.node/node_modules/.bin
  if [ "$(major_of "$own_node/node")" != "$node_major" ]; then
    take_lock
    rm -rf "$root/.node/node_modules" || fail 'The folder .node cannot be emptied. Delete it, then try again.'
    # The package fetches its binary in an install script, which newer npms run only when they are told so.
    printf '{"private":true,"allowScripts":{"node":true}}\n' >"$root/.node/package.json"
    step "Getting Node $node_major through npm (this host has $found)" node npm install --prefix "$root/.node" --no-save "node@$node_major" ||
      fail "Node $node_major could not be installed. Is the npm registry within reach (npm ping)? Or install Node $node_major yourself. Then try again."
    [ "$(major_of "$own_node/node")" = "$node_major" ] ||
      fail "npm's Node $node_major does not run on this system. Install Node $node_major yourself, then try again."
    release_lock
  fi
  export PATH="$own_node:$PATH"
}

# What node_modules was installed from, and for which Node (its ABI): the same again means that nothing is to do.
wanted_stamp() {
  node -p "require('crypto').createHash('sha256').update(require('fs').readFileSync(process.argv[1])).digest('hex') + ' ' + [process.versions.modules, process.platform, process.arch].join('-')" "$root/package-lock.json"
}

packages_are_there() { [ "$(cat "$stamp" 2>/dev/null)" = "$(wanted_stamp)" ]; }

use_packages() {
  export PATH="$root/node_modules/.bin:$PATH"
  packages_are_there && return
  take_lock
  if ! packages_are_there; then
    rm -f "$stamp"
    step 'Installing packages (npm ci)' packages npm ci --include=dev ||
      fail 'The packages could not be installed. Is the npm registry within reach (npm ping), and is there space on the disk? Then try again.'
    wanted_stamp >"$stamp"
  fi
  release_lock
}

bootstrap() {
  stop_when_told
  use_node
  use_packages
}

# Builds the console when one of its sources is newer than its last finished build.
build_console() {
  build_when_older 'Building the console' console vite build client/console ||
    fail 'The console could not be built. The lines above say where; `npx vite build client/console` shows all.'
}

# The same for what programs outside of this folder use.
build_sdk() {
  build_when_older 'Building the sdk' sdk tsc -p client/sdk/tsconfig.build.json ||
    fail 'The sdk could not be built. The lines above say where; `npx tsc -p client/sdk/tsconfig.build.json` shows all.'
}

# build_when_older <what> <folder in client> <command…>
build_when_older() {
  local what=$1 name=$2 built=$root/client/$2/dist/.built
  shift 2
  [ -d "$root/client/$name" ] || return 0
  [ -f "$built" ] && [ -z "$(sources_newer_than "$built" "$name")" ] && return
  mkdir -p "$logs"
  touch "$logs/$name-began" # sources changed during the build count as newer than it
  step "$what" "$name" "$@" || return
  touch -r "$logs/$name-began" "$built"
}

sources_newer_than() {
  (cd "$root" && find "client/$2" client/sdk shared package-lock.json -newer "$1" -type f ! -path '*/dist/*' ! -path '*/node_modules/*' 2>/dev/null | head -n 1)
}
