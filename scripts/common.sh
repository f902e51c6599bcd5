# Shared by the scripts in this folder; sourced, not run. Sets ROOT and keeps temporary files inside the checkout.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
DEPS=$ROOT/.deps
mkdir -p "$DEPS" "$ROOT/.cache/tmp"
export TMPDIR=$ROOT/.cache/tmp

say() { printf '%s\n' "$*"; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# phase NAME / phase_end [NOTE]: announce a phase, then how long it took.
PHASES=()
phase() {
  PHASE=$1
  PHASE_START=$(date +%s)
  say "==> $PHASE"
}

phase_end() {
  local line
  line=$(printf '%-24s %4d s  %s' "$PHASE" $(($(date +%s) - PHASE_START)) "${1:-}")
  PHASES+=("$line")
  say "    done in $(($(date +%s) - PHASE_START)) s${1:+ ($1)}"
}

phase_summary() { printf '    %s\n' "${PHASES[@]}"; }

# Compiling a file of LibTorch takes about 1.5 GiB, so memory limits the jobs as well as cores do.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 1572864)}' /proc/meminfo)
  if [ "$memory" -lt 1 ]; then memory=1; fi
  if [ "$memory" -lt "$cores" ]; then echo "$memory"; else echo "$cores"; fi
}

# system_packages PACKAGE:PROOF ...: installs each package whose proof is missing; a proof is a command, a header or
# file below /usr, or `python:MODULE`. What the program can do without has a `?` before its name.
system_packages() {
  local entry package proof missing=() optional=() as_root=() can_install=yes
  phase "system packages"
  for entry in "$@"; do
    package=${entry%%:*}
    proof=${entry#*:}
    case $proof in
      python:*) python3 -c "import ${proof#python:}" 2>/dev/null && continue ;;
      /*) compgen -G "$proof" >/dev/null && continue ;;
      *) command -v "$proof" >/dev/null && continue ;;
    esac
    case $package in
      \?*) optional+=("${package#\?}") ;;
      *) missing+=("$package") ;;
    esac
  done
  command -v apt-get >/dev/null || can_install=
  if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
    if ! command -v sudo >/dev/null || { ! sudo -n true 2>/dev/null && [ ! -t 0 ]; }; then can_install=; fi
  fi
  if [ -z "$can_install" ]; then
    [ ${#missing[@]} -eq 0 ] ||
      die "missing packages (Debian's names), to be installed by root: apt-get install ${missing[*]}"
    [ ${#optional[@]} -eq 0 ] || say "    without ${optional[*]}, which would only make it faster"
    optional=()
  fi
  local all=("${missing[@]}" "${optional[@]}")
  if [ ${#all[@]} -eq 0 ]; then
    phase_end "nothing missing"
    return
  fi
  say "    installing ${all[*]}"
  local log=$ROOT/.cache/apt.log
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive TMPDIR=/tmp apt-get)
  local install=("${apt[@]}" install -qy --no-install-recommends)
  { "${apt[@]}" update -q && { [ ${#missing[@]} -eq 0 ] || "${install[@]}" "${missing[@]}"; }; } >"$log" 2>&1 </dev/null ||
    { tail -n 20 "$log" >&2; die "apt-get failed; its whole output is in $log"; }
  for package in "${optional[@]}"; do
    "${install[@]}" "$package" >>"$log" 2>&1 </dev/null || say "    without $package, which would only make it faster"
  done
  phase_end
}

# fetch_wheels FOLDER REQUIREMENT ...: downloads wheels for this machine's processor, with whichever pip there is.
fetch_wheels() {
  local folder=$1 machine glibc platforms=()
  shift
  machine=$(uname -m)
  # pip takes these tags as they stand; a wheel may name any version of glibc that it was built for.
  for glibc in $(seq 28 -1 5); do platforms+=(--platform "manylinux_2_${glibc}_$machine"); done
  platforms+=(--platform "manylinux2014_$machine" --platform "manylinux2010_$machine")
  # pip's own check of sizes and hashes makes a cut download an error here.
  python3 -m pip download --disable-pip-version-check --no-cache-dir --quiet --only-binary=:all: \
    --implementation cp --python-version 3.11 "${platforms[@]}" --dest "$folder" "$@" \
    </dev/null || die "download of $* failed"
}

# unpack_wheel WHEEL FOLDER PREFIX ...: only paths below the prefixes; every member's checksum is verified.
unpack_wheel() {
  python3 - "$@" <<'PY'
import os, sys, zipfile
wheel, folder, prefixes = sys.argv[1], sys.argv[2], tuple(sys.argv[3:])
with zipfile.ZipFile(wheel) as archive:
    for info in archive.infolist():
        if info.filename.startswith(prefixes) and not info.is_dir():
            path = archive.extract(info, folder)
            mode = info.external_attr >> 16
            if mode & 0o111:
                os.chmod(path, 0o755)
PY
}
