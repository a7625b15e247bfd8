#!/usr/bin/env bash
# The README's table of options is the program's own.
#   test_readme.sh LENET_PROGRAM SOURCE_DIR
set -euo pipefail

if diff <(sed -n '/<!-- made by: lenet help --markdown -->/,/<!-- end -->/p' "$2/README.md" | sed '1d;$d') \
    <("$1" help --markdown); then
    echo "the README's table of options is the program's own"
else
    echo "FAILED: README.md differs from 'lenet help --markdown' (above); copy that between the two comments"
    exit 1
fi
