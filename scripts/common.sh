# shellcheck shell=bash
# common.sh - what the scripts share. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Debian's names.
# shellcheck disable=SC2034  # for the scripts that source this one
build_packages=(build-essential cmake ninja-build pkg-config zlib1g-dev libcjson-dev libssl-dev libpng-dev
    libjpeg-dev libexif-dev)
# shellcheck disable=SC2034
plot_packages=(python3-numpy python3-matplotlib python3-pil)
# shellcheck disable=SC2034
test_packages=(libgtest-dev clang clang-format python3-torch python3-pil shellcheck cppcheck)
# Tests that want these skip themselves where they are missing.
# shellcheck disable=SC2034
optional_packages=(slurm-wlm munge parallel python3-onnx gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm)

step() { printf '== %s\n' "$*"; }
complain() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
# here PATH: a path below the repository as a user would write it: short where they are in the repository.
here() { if [ "$PWD" -ef "$root" ]; then echo "$1"; else echo "$root/$1"; fi; }

# ---- packages ----------------------------------------------------------------------------------

# need_packages PACKAGE...: installs those that are missing; silent, and needs no network, where none is.
# LENET_NO_INSTALL=1 turns it off, for machines where the tools come from elsewhere (modules, conda).
need_packages() {
    local missing
    if [ -n "${LENET_NO_INSTALL:-}" ]; then return; fi
    if ! has_packages; then
        need_tools_of "$@"
        return
    fi
    missing_packages "$@"
    if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi
}

# want_packages PACKAGE...: those that are missing are installed, too, but nothing ends where they cannot be. Tried only
# by root where systemd does not run, as in a container: elsewhere their services would start, or sudo ask.
want_packages() {
    local missing
    if [ -n "${LENET_NO_INSTALL:-}" ] || ! has_packages; then return; fi
    missing_packages "$@"
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    if [ "$(id -u)" -ne 0 ] || [ -d /run/systemd/system ] || ! (install_packages "${missing[@]}"); then
        step "going on without ${missing[*]}"
    fi
}

has_packages() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }
# missing_packages PACKAGE...: sets missing.
missing_packages() {
    local known package
    missing=()
    # Fails where it does not know one of them, and prints the others all the same.
    known=$'\n'$(dpkg-query --show --showformat='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)$'\n'
    for package; do
        if [[ $known != *$'\n'"$package installed"$'\n'* ]]; then missing+=("$package"); fi
    done
}

apt_updated=0
install_packages() {
    local sudo=() log=$root/build/packages.log
    mkdir -p "$root/build"
    if [ "$(id -u)" -ne 0 ]; then
        sudo=(sudo)
        if ! command -v sudo >/dev/null; then cannot_install "this is not root, and there is no sudo" "$@"; fi
    fi
    step "installing $*"
    # Without the lists' update the installation may still work, from lists and files that are there.
    if [ "$apt_updated" = 0 ] && ! "${sudo[@]}" apt-get update >"$log" 2>&1; then
        complain "apt-get update failed; trying without it"
    fi
    apt_updated=1
    if ! "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1; then
        tail -n 20 "$log" >&2
        cannot_install "apt-get install failed (above, and $log)" "$@"
    fi
}

# cannot_install REASON PACKAGE...
cannot_install() {
    local reason=$1 prefix=
    shift
    if [ "$(id -u)" -ne 0 ]; then prefix='sudo '; fi
    complain "cannot install what is missing: $reason. As an administrator, run
    ${prefix}apt-get update && ${prefix}apt-get install -y --no-install-recommends $*
or set LENET_NO_INSTALL=1 where the same tools are there from elsewhere."
    exit 3
}

# need_tools_of PACKAGE...: where there is no apt-get. Only the packages' commands can be looked for.
need_tools_of() {
    local package missing=() unchecked=()
    for package; do
        case $package in
        build-essential) command -v c++ >/dev/null || missing+=("a C and C++ compiler") ;;
        ninja-build) command -v ninja >/dev/null || missing+=(ninja) ;;
        cmake | clang | clang-format | cppcheck | curl | pkg-config | shellcheck)
            command -v "$package" >/dev/null || missing+=("$package") ;;
        *) unchecked+=("$package") ;;
        esac
    done
    if [ ${#missing[@]} -gt 0 ]; then
        complain "no apt-get here, and these are missing: $(comma_separated "${missing[@]}"). \
Install what this system calls them; under Debian the packages are $*"
        exit 3
    fi
    if [ ${#unchecked[@]} -gt 0 ]; then
        step "no apt-get here: going on without a check for $(comma_separated "${unchecked[@]}")"
    fi
}
comma_separated() { local list; printf -v list '%s, ' "$@"; printf '%s' "${list%, }"; }

# python_with MODULE...: prints a python3 that can import them. The first one on PATH may be another
# than Debian's (pyenv, conda), without the modules that Debian's packages bring.
python_with() {
    local path modules
    modules=$(comma_separated "$@")
    while read -r path; do
        if "$path" -c "import $modules" </dev/null >/dev/null 2>&1; then
            echo "$path"
            return
        fi
    done < <(every_python3)
    return 1
}
# every_python3: first those of this name, then those that name their version, too.
every_python3() {
    local name
    type -aP python3 /usr/bin/python3 || true
    for name in $(compgen -c python3.); do
        if [[ $name =~ ^python3\.[0-9]+$ ]]; then type -aP "$name"; fi
    done
}
# need_python MODULES PACKAGE...: the packages, unless some python3 has the modules already.
need_python() {
    local modules
    read -ra modules <<<"$1"
    shift
    if python_with "${modules[@]}" >/dev/null; then return; fi
    need_packages "$@"
    if ! python_with "${modules[@]}" >/dev/null; then
        complain "no python3 here can import $(comma_separated "${modules[@]}") (Debian: $*)"
        exit 3
    fi
}

# ---- building ----------------------------------------------------------------------------------

# build_preset PRESET LOG TARGET [CMAKE OPTION...]: configures and builds, on all cores. Fails with the
# log's end shown.
build_preset() {
    local preset=$1 log=$2 target=$3
    shift 3
    mkdir -p "$(dirname "$log")"
    # The second try is for a build directory of another place or generator (a copied tree).
    if (
        cd "$root" &&
            { cmake --preset "$preset" "$@" || cmake --fresh --preset "$preset" "$@"; } &&
            cmake --build --preset "$preset" --target "$target"
    ) >"$log" 2>&1; then return; fi
    tail -n 60 "$log" >&2
    complain "building preset $preset failed (above, and $log)"
    return 1
}
