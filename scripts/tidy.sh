#!/usr/bin/env bash
# tidy.sh [FILE...] - clang-tidy over the C files of src, or these, as .clang-tidy says.
#
# Exit codes: 0 nothing was found, 1 something was, 3 what is missing cannot be installed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_packages "${build_packages[@]}" clang-tidy
cd "$root"
cmake --preset release -B build/tidy -DLENET_CUDA=OFF -DBUILD_TESTING=OFF >/dev/null
files=("$@")
if [ ${#files[@]} -eq 0 ]; then mapfile -t files < <(find src -name '*.c' | sort); fi
printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 1 clang-tidy -p build/tidy --quiet \
    2> >(grep -vE '^[0-9]+ warnings? generated' >&2) || exit 1
