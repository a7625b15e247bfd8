#!/usr/bin/env bash
# The documents say what is so: the table of options is the program's own, what links and paths name is there, an evening
# is no longer than README.md says, and the version is that of the newest changes.
#   test_readme.sh LENET_PROGRAM SOURCE_DIR
set -euo pipefail
program=$(realpath "$1")
cd "$2"

# documents: all pages below the current directory that are the project's own.
documents() { find . -name '*.md' -not -path './build/*' -not -path './.git/*' -not -path './runs/*' -not -path './sweeps/*'; }

check_options() {
    diff <(sed -n '/<!-- made by: lenet help --markdown -->/,/<!-- end -->/p' docs/options.md | sed '1d;$d') \
        <("$program" help --markdown) ||
        echo "docs/options.md differs from 'lenet help --markdown' (above); copy that between the two comments"
}

# paths_of PAGE: what it links to, and the files that it names, relative to the current directory.
paths_of() {
    { grep -oE '\]\([^)#]+' "$1" || true; } | sed 's/^](//' | { grep -vE '^[a-z]+:' || true; } | sed "s|^|${1%/*}/|"
    { grep -oE '(^|[^A-Za-z0-9_./-])(src|include|cuda|tests|scripts|docs)/[a-z0-9_/.-]+\.(c|h|cc|cuh?|sh|py|md|sbatch)\b' "$1" ||
        true; } | sed -E 's/^[^a-z]//'
}
check_paths() {
    local page path
    while read -r page; do
        while read -r path; do [ -e "$path" ] || echo "$page names $path, which is not there"; done < <(paths_of "$page")
    done < <(documents)
}

check_evening() {
    local evening most files lines
    evening=$(sed -n '/<!-- an evening: /,/<!-- end -->/p' README.md)
    most=$(sed -nE 's/<!-- an evening: ([0-9]+) lines -->/\1/p' <<<"$evening")
    mapfile -t files < <(grep -oE '\]\([^)]+' <<<"$evening" | sed 's/^](//')
    lines=$(cat "${files[@]}" | wc -l)
    if [ ${#files[@]} -ne 10 ] || [ "$lines" -ge "$most" ]; then
        echo "README.md: an evening's ${#files[@]} files have $lines lines; it says that ten have fewer than $most"
    fi
}

check_version() {
    local version
    version=$(sed -nE 's/^#define LENET_VERSION "(.*)"$/\1/p' include/lenet/version.h)
    [ "$(sed -nE 's/^## \[([0-9.]+)\].*/\1/p' CHANGELOG.md | head -n 1)" = "$version" ] ||
        echo "CHANGELOG.md does not begin with version $version, which include/lenet/version.h names"
    [ "$("$program" --version | cut -d ' ' -f 2)" = "$version" ] || echo "lenet --version does not say $version"
}

complaints=$(check_options; check_paths; check_evening; check_version)
if [ -n "$complaints" ]; then
    printf '%s\n' "$complaints" | sed 's/^/FAILED: /'
    exit 1
fi

# A link and a path that lead nowhere would be noticed, also in a page of a folder.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/docs"
# shellcheck disable=SC2016  # backticks of Markdown
printf 'See [nothing](nowhere.md#here) or `src/nowhere.c`, but not <https://example.org/docs/a.md>.\n' >"$scratch/docs/page.md"
found=$(cd "$scratch" && check_paths)
if [ "$(wc -l <<<"$found")" -ne 2 ] || ! grep -q nowhere.md <<<"$found" || ! grep -q 'src/nowhere.c' <<<"$found"; then
    printf 'FAILED: a planted link and a planted path gave: %s\n' "$found"
    exit 1
fi
echo "the table of options is the program's own, and what $(documents | wc -l) documents name is there"
