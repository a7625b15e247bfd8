#!/usr/bin/env bash
# gpu_pack.sh [--architecture N] [--build DIR] [--data DIR] DIR - makes a folder that checks the CUDA backend on another
# machine, whose GPU may be there for a quarter of an hour only: DIR/check.sh there is scripts/gpu_check.sh here, with
# the same options, and needs bash, coreutils, python3, the GPU's driver and cuBLAS, and a C library no older than here.
#
#   --architecture N   the GPU's compute capability without the point (initially 90: H100, H200)
#   --build DIR        packs this build as it is, in place of one for that architecture (build/gpu)
#   --data DIR         the data set (initially data/mnist, or data/sample where that is not there)
#
# In DIR lie the program, the tests that have to do with a GPU, the libraries that both need, the data set packed by
# gzip, and the scripts. Exit codes: 0 done, 1 the build failed, 2 usage, 3 something is missing.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage_error() {
    complain "$1"
    echo "usage: gpu_pack.sh [--architecture N] [--build DIR] [--data DIR] DIR" >&2
    exit 2
}
architecture=90 build='' data='' out=''
while [ $# -gt 0 ]; do
    case $1 in
    --architecture | --build | --data)
        if [ -z "${2:-}" ]; then usage_error "$1: a value is missing"; fi
        printf -v "${1#--}" %s "$2"
        shift
        ;;
    -*) usage_error "$1: no such option" ;;
    *)
        if [ -n "$out" ]; then usage_error "$1: one directory is enough"; fi
        out=$1
        ;;
    esac
    shift
done
if [ -z "$out" ]; then usage_error "where to?"; fi
if ! [[ $architecture =~ ^[1-9][0-9]+[a-z]?$ ]]; then usage_error "--architecture $architecture: wanted a number such as 90"; fi
if [ -n "$(ls -A "$out" 2>/dev/null)" ]; then usage_error "$out: not empty"; fi
if [ -z "$data" ]; then
    data=$root/data/mnist
    if [ ! -d "$data" ]; then
        data=$root/data/sample
        step "data/mnist is not there (scripts/get_mnist.sh gets it): data/sample instead"
    fi
fi
if [ ! -d "$data" ]; then complain "$data: no such directory" && exit 3; fi

if [ -z "$build" ]; then
    build=$root/build/gpu
    need_packages "${build_packages[@]}" libgtest-dev
    step "building for compute capability $architecture"
    # The program is for any processor; the kernels are there but once.
    build_preset gpu "$root/build/gpu_pack.log" test_programs -DCMAKE_CUDA_ARCHITECTURES="$architecture-real" || exit 1
fi
if [ ! -x "$build/lenet" ]; then complain "$build/lenet: not there; is it a build?" && exit 3; fi

# Packed beside DIR, which is there once it is whole.
whole=$out
mkdir -p "$(dirname "$whole")"
out=$(mktemp -d "$whole.XXXXXX")
trap 'rm -rf "$out"' EXIT
chmod 755 "$out"
mkdir -p "$out/build/tests" "$out/lib" "$out/data" "$out/docs" "$out/scripts"
programs=("$build/lenet")
for test in "$build"/tests/test_*; do
    if [[ ! -f $test || ! -x $test || $test == *_emulated ]]; then continue; fi
    # Not by grep -q, which ends at the first line and may end the list by SIGPIPE.
    tests=$("$test" --gtest_list_tests --gtest_filter='*cuda*:Cuda*' 2>/dev/null) || continue
    if [[ $tests == *$'\n  '* ]]; then programs+=("$test"); fi
done
for program in "${programs[@]}"; do
    strip -o "$out/build/${program#"$build"/}" "$program"
done
# All but the C library and its parts, which belong to a machine's own.
ldd "${programs[@]}" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u |
    grep -vE '/(libc|libm|libdl|libpthread|librt|ld-linux[^/]*)\.so' | xargs -r cp -L -t "$out/lib"
git -C "$root" describe --always --abbrev=40 --dirty --exclude '*' >"$out/build/COMMIT" 2>/dev/null ||
    echo unknown >"$out/build/COMMIT"
cp "$root/scripts/common.sh" "$root/scripts/gpu_check.sh" "$out/scripts/"
cp -r "$root/data/sample" "$root/data/mnist.sha256" "$out/data/"
cp "$root/docs/kernels_predicted.tsv" "$out/docs/"
if [ ! "$data" -ef "$root/data/sample" ]; then
    mkdir "$out/data/mnist"
    for file in "$data"/*-ubyte "$data"/*-ubyte.gz; do
        case $file in
        *\**) ;; # there is none of that name
        *.gz) cp "$file" "$out/data/mnist/" ;;
        *) gzip -9nc "$file" >"$out/data/mnist/${file##*/}.gz" ;;
        esac
    done
fi
cat >"$out/check.sh" <<'CHECK'
#!/usr/bin/env bash
# check.sh [OPTION...] - checks the CUDA backend on this machine; scripts/gpu_check.sh has the options.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
exec "$here/scripts/gpu_check.sh" --build "$here/build" --out "$here/out" "$@"
CHECK
chmod +x "$out/check.sh"
mv -T "$out" "$whole"
step "$whole: $(du -sm "$whole" | cut -f1) MiB, ${#programs[@]} programs; on the other machine: ./check.sh"
