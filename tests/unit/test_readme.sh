#!/usr/bin/env bash
# The documents say what is so: the table of options is the program's own, what links and paths name is there, an
# evening is no longer than README.md says, and the version is that of the newest changes.
#   test_readme.sh LENET_PROGRAM SOURCE_DIR
set -euo pipefail
program=$(realpath "$1")
cd "$2"

# documents: all pages below the current directory that are the project's own.
documents() {
    find . \( -path ./build -o -path ./.git -o -path ./runs -o -path ./sweeps \) -prune -o -name '*.md' -print
}

check_options() {
    diff <(sed -n '/<!-- made by: lenet help --markdown -->/,/<!-- end -->/p' docs/options.md | sed '1d;$d') \
        <("$program" help --markdown) ||
        echo "docs/options.md differs from 'lenet help --markdown' (above); copy that between the two comments"
}

# paths_of PAGE: what it links to, and the files that it names, relative to the current directory.
paths_of() {
    # shellcheck disable=SC2016  # what stands in code is no link
    sed 's/`[^`]*`//g' "$1" | { grep -oE '\]\([^)#]+' || true; } | sed 's/^](//' | { grep -vE '^[a-z]+:' || true; } |
        sed "s|^|${1%/*}/|"
    local file='(src|include|cuda|tests|scripts|docs)/[a-z0-9_/.-]+\.(c|h|cc|cuh?|sh|py|md|sbatch)\b'
    { grep -oE "(^|[^A-Za-z0-9_./-])$file" "$1" || true; } | sed -E 's/^[^a-z]//'
}
# anchors_of PAGE: what a link to one of its headings has behind the #.
anchors_of() { sed -nE 's/^#+ //p' "$1" | tr '[:upper:] ' '[:lower:]-' | tr -cd 'a-z0-9_\n-'; }
check_paths() {
    local page path link
    while read -r page; do
        while read -r path; do
            [ -e "$path" ] || echo "$page names $path, which is not there"
        done < <(paths_of "$page")
        while read -r link; do
            path=${page%/*}/${link%#*}
            anchors_of "$path" | grep -qx -- "${link#*#}" || echo "$page names $link, a heading that is not there"
        done < <(grep -oE '\]\([a-zA-Z0-9_./-]+\.md#[^)]+' "$page" | sed 's/^](//')
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

# A link, a path and a heading that lead nowhere would be noticed, also in a page of a folder.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/docs"
cat >"$scratch/docs/page.md" <<'PAGE'
# Here, and now
[A link](nowhere.md), `src/nowhere.c`, [a heading](page.md#here-and-now), [none](page.md#there)
<https://a.org/docs/a.md>.
PAGE
found=$(cd "$scratch" && check_paths)
for planted in ./docs/nowhere.md src/nowhere.c page.md#there; do
    if [ "$(wc -l <<<"$found")" -eq 3 ] && grep -qF " $planted, " <<<"$found"; then continue; fi
    printf 'FAILED: planted faults gave: %s\n' "$found"
    exit 1
done
echo "the table of options is the program's own, and what $(documents | wc -l) documents name is there"
