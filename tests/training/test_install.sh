#!/usr/bin/env bash
# What is installed works from where it was put: the program, its pages, and the library in a project of somebody else,
# which finds it by find_package and by pkg-config.
#   test_install.sh LENET_PROGRAM SOURCE_DIR, where the program lies in its build directory
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

build=${program%/*}
prefix_dir="$work/a place" # of the kind that scripts forget to quote
cached() { sed -nE "s/^$1:[A-Z]+=//p" "$build/CMakeCache.txt"; }
mapfile -t flags < <(cached CMAKE_C_FLAGS | tr ' ' '\n' | sed '/^$/d')
compiler=$(cached CMAKE_C_COMPILER)
try() { "$@" >"$work/out" 2>"$work/err"; }

claim "it is installed" try cmake --install "$build" --prefix "$prefix_dir"
if ! mv "$prefix_dir" "$work/moved"; then finish && exit 1; fi
place=$work/moved
lib=$(dirname "$(find "$place" -name 'liblenet.*' | head -n 1)")
export LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} # for a shared library

program=$place/bin/lenet
lenet --version
claim "the program runs, also when all is moved" says "lenet "
claim "every public header is there" diff -r "$source_dir/include/lenet" "$place/include/lenet"
for page in "share/man/man1/lenet.1 --man" "share/bash-completion/completions/lenet --bash" \
    "share/zsh/site-functions/_lenet --zsh"; do
    claim "so is what help ${page#* } prints" diff "$place/${page% *}" <("$program" help "${page#* }")
done
claim "no file names the tree that it was built from" test -z "$(grep -rlF "$source_dir" "$place" --include='*.cmake' \
    --include='*.pc')"

# ---- a project with the library ------------------------------------------------------------------------------

printf 'P5 28 28 255\n' >picture.pgm
gunzip -c "$sample/t10k-images-idx3-ubyte.gz" | tail -c +17 | head -c 784 >>picture.pgm
"$program" train --data "$sample" --device cpu --steps 10 --run expected >/dev/null
cp -r "$source_dir/tests/support/installed" project
# trains NAME PROGRAM: ten steps, to the bytes that the installed program gives, and it predicts.
trains() {
    try "$2" "$sample" "$1.run" picture.pgm
    claim "  it trains" cmp "$1.run/last.safetensors" expected/last.safetensors
    claim "  and predicts" grep -qE '^picture.pgm: [0-9]$' "$work/out"
}
claim "find_package(lenet) finds it" try cmake -S project -B by_cmake -DCMAKE_PREFIX_PATH="$place" \
    -DCMAKE_C_COMPILER="$compiler" -DCMAKE_C_FLAGS="${flags[*]}"
claim "  and no other" grep -q "^lenet_DIR:PATH=$lib/" by_cmake/CMakeCache.txt
claim "  it builds" try cmake --build by_cmake
trains by_cmake by_cmake/digits
sed -i 's/find_package(lenet/& 99.0/' project/CMakeLists.txt
claim "a version that it is not is refused" eval "! try cmake -S project -B too_new -DCMAKE_PREFIX_PATH='$place'"
claim "  by its version" complains "requested version \"99.0\""

export PKG_CONFIG_PATH=$lib/pkgconfig
claim "pkg-config has its version" test "lenet $(pkg-config --modversion lenet)" = \
    "$("$program" --version | cut -d ' ' -f 1,2)"
mapfile -t libraries < <(pkg-config --static --cflags --libs lenet | xargs -n 1 printf '%s\n')
claim "  its flags are enough to build" try "$compiler" "${flags[@]}" project/digits.c -o by_pkg_config "${libraries[@]}"
trains by_pkg_config ./by_pkg_config

# ---- containers ----------------------------------------------------------------------------------------------

# shellcheck source=scripts/common.sh
. "$source_dir/scripts/common.sh"
for page in docker/cpu.Dockerfile docker/cuda.Dockerfile docs/install.md; do
    for package in "${build_packages[@]}"; do
        claim "$page installs $package" grep -qE "(^|[ ])$package( |\$)" "$source_dir/$page"
    done
done
mkdir context
sed -n 's/^!//p' "$source_dir/.dockerignore" | (cd "$source_dir" && xargs cp -r --parents -t "$work/context")
claim "what goes into an image is enough to build" try cmake -S context -B in_image -DLENET_CUDA=OFF -DBUILD_TESTING=OFF
finish
