#!/usr/bin/env bash
# test_fuzz_targets.sh - each file of src/ that reads files is named by a fuzz target, in a line "Reads with: FILES", and
# files are opened to be read in one place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

named=$(sed -n 's|^ \* Reads with: *||p' tests/fuzz/fuzz_*.c | sed 's| \*/$||' | tr ' ' '\n' | sort -u)
failed=0
fail() { echo "$*" && failed=1; }

readers=$(grep -lE 'lenet_(file_read|file_open|input_open|json_lines|tensors_read|tensors_bytes)\(' src/*/*.c |
    grep -v '^src/base/files\.c$')
[ "$(wc -l <<<"$readers")" -ge 10 ] || fail "only these files read any: $readers"
for file in $readers; do
    grep -qxF "$file" <<<"$named" || fail "$file reads files, and no fuzz target says that it reads with it"
done
for file in $named; do [ -f "$file" ] || fail "a fuzz target names $file, which is not there"; done
for source in tests/fuzz/fuzz_*.c; do grep -q '^ \* Reads with: ' "$source" || fail "$source does not say what it is of"; done

# Locks, /dev/null and what the kernel says in /proc are opened elsewhere; a directory is no file.
if grep -nE '(^|[^a-z_>.])(open|openat|fopen|freopen|gzopen)\(' src/*/*.c | grep -vE '^src/(base/(files|lock|processors)|cli/main)\.c:'; then
    fail "these open files by themselves, and not by lenet_file_open"
fi
echo "$(wc -l <<<"$readers") files of src/ read files; $(wc -l <<<"$named") are named by fuzz targets"
exit "$failed"
