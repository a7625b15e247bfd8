#!/usr/bin/env bash
# test_export_c.sh LENET_PROGRAM SOURCE_DIR - lenet export: the C file is what compilers want, gives the scores that the
# program has measured, on this machine and on a Cortex-M3, and needs as little as it says.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

strict=(-std=c99 -pedantic -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Werror)
images=500 # the sample's test digits
digits=$work/digits.idx
gunzip -c "$sample/t10k-images-idx3-ubyte.gz" >"$digits"
tail -c +17 "$digits" >digits.raw

# train NAME OPTION...
train() {
    local name=$1
    shift
    "$program" train --data "$sample" --device cpu --run "$name" "$@" >"$name.log" 2>&1
}
# exported NAME BITS: NAME-BITS.c and .json of the run NAME. What it costs may be said of it, and nothing else.
exported() {
    lenet export --run "$1" --format c --bits "$2" --out "$1-$2.c" --json "$1-$2.json"
    code_is 0 && ! grep -qv "$1-$2.c: [0-9.]* points of accuracy are lost" "$work/err"
}
# json FILE EXPRESSION: a number or text of it, as Python sees j.
json() { python3 -c 'import json, sys; j = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"; }
# wanted_scores FILE: the scores of a JSON file, as a C file's main prints them.
wanted_scores() {
    python3 -c 'import json, sys
for s in json.load(open(sys.argv[1]))["scores"]: print(s.index(max(s)), *s)' "$1"
}
# compiles COMPILER NAME OPTION...: NAME.c to NAME.
compiles() {
    local compiler=$1 name=$2
    shift 2
    $compiler "${strict[@]}" "$@" "$name.c" -o "$name" 2>"$work/err"
}
# gives_its_scores NAME: of every test digit.
gives_its_scores() {
    wanted_scores "$1.json" >"$work/want" && [ "$(wc -l <"$work/want")" -eq $images ] &&
        "./$1" --scores "$digits" 2>"$work/err" | diff - "$work/want" >"$work/out"
}
# loses_at_most NAME COUNT: so many of the right answers.
loses_at_most() { [ "$(json "$1.json" 'j["test"]["correct_before"] - j["test"]["correct"]')" -le "$2" ]; }

# ---- one network, in every respect ------------------------------------------------------------------------

train lenet5 --epochs 3
lenet eval --run lenet5
correct=$((images - $(sed -n 's/.*(\([0-9]*\) wrong).*/\1/p' "$work/out")))
claim "a C file: exit 0" exported lenet5 8
cp "$work/out" report
claim "  the program says what it needs" grep -q "lenet5 in weights of 8 bits, [0-9]* bytes of constants, [0-9]* bytes of RAM" report
claim "  of the network of floats it counts what lenet eval counts" test "$(json lenet5-8.json 'j["test"]["correct_before"]')" -eq "$correct"
for fact in "$(sha256sum <lenet5/last.safetensors | cut -d ' ' -f 1)" "$(json lenet5-8.json 'j["data_hash"]')" \
    "$(json lenet5-8.json 'j["constants"]') bytes" "$(json lenet5-8.json 'j["ram"]') bytes" \
    "($correct and $(json lenet5-8.json 'j["test"]["correct"]') right)"; do
    claim "  its head says: $fact" grep -qF "$fact" <(sed '/\*\//q' lenet5-8.c)
done
cp lenet5-8.c first.c
exported lenet5 8
claim "the same command gives the same bytes" cmp first.c lenet5-8.c
prefix=(taskset -c 0)
exported lenet5 8
claim "  on one processor, too" cmp first.c lenet5-8.c
prefix=()
lenet export --weights lenet5/last.safetensors --data "$sample" --format c --out by-weights.c
claim "  and by --weights and --data" cmp first.c by-weights.c
claim "no line is longer than 120 columns" test -z "$(grep -E '^.{121}' lenet5-8.c)"

for compiler in gcc clang; do
    claim "$compiler compiles it without a warning" compiles $compiler lenet5-8 -O2
    claim "  and it gives the scores that were measured" gives_its_scores lenet5-8
done
"./lenet5-8" "$digits" >answers
claim "main prints a class for each image of an IDX file" test "$(wc -l <answers)" -eq $images
claim "  the same from standard input" cmp answers <(./lenet5-8 <"$digits")
claim "  and from bytes alone" cmp answers <(./lenet5-8 <digits.raw)
{ printf 'P5\n# a digit\n28 28\n255\n' && head -c 784 digits.raw; } >digit.pgm
claim "  and from a PGM" test "$(./lenet5-8 digit.pgm)" = "$(head -n 1 answers)"
printf 'P5 27 28 255\n' >other.pgm
claim "a PGM of another size is refused" test "$(./lenet5-8 other.pgm 2>&1)" = "other.pgm: cannot be read, or not images of 28 x 28 pixels"
head -c 2000 digits.raw >cut.raw
./lenet5-8 cut.raw >"$work/out" 2>"$work/err"
code=$?
claim "images that are cut short: exit 1" code_is 1
claim "  those that are whole have their answers" test "$(wc -l <"$work/out")" -eq 2
claim "  and main says what is wrong" complains "cut.raw: the last image is cut short"
head -c $((16 + 2 * 784)) "$digits" >cut.idx
./lenet5-8 cut.idx >"$work/out" 2>"$work/err"
code=$?
claim "an IDX file that ends after one of its images: exit 1" code_is 1
claim "  and main says so" complains "cut.idx: the last image is cut short"
./lenet5-8 digit.pgm >/dev/full 2>"$work/err"
code=$?
claim "answers that cannot be written: exit 1" code_is 1
claim "  and main says so" complains "standard output: No space left"

gcc "${strict[@]}" -O2 -DLENET_NO_MAIN -c lenet5-8.c -o firmware.o
claim "without main there is one function" test "$(nm --defined-only --extern-only firmware.o | awk '{ print $3 }')" = lenet_classify
claim "  which needs nothing from elsewhere" test -z "$(nm --undefined-only firmware.o | grep -v '_GLOBAL_OFFSET_TABLE_\|__stack_chk_fail\|mem')"

# ---- what is hostile ---------------------------------------------------------------------------------------

# Black, white, stripes and noise: whatever comes in, no sum overflows.
python3 - >hostile.raw <<'END'
import random, sys
random.seed(1)
images = [bytes(784), bytes([255]) * 784, bytes(255 * (i % 2) for i in range(784)), bytes(255 * (i // 28 % 2) for i in range(784))]
images += [bytes(random.choice(range(256)) for _ in range(784)) for _ in range(50)]
images += [bytes(random.choice((0, 255)) for _ in range(784)) for _ in range(50)]
sys.stdout.buffer.write(b"".join(images))
END
# is_sound NAME: under sanitizers and without optimization it answers as it does with it.
is_sound() {
    compiles gcc "$1" -O3 && "./$1" --scores hostile.raw >"$work/want" &&
        compiles clang "$1" -O1 -fsanitize=undefined,integer,address -fno-sanitize=unsigned-integer-overflow \
            -fno-sanitize-recover=all && "./$1" --scores hostile.raw 2>"$work/err" | cmp - "$work/want" &&
        "./$1" "$digits" >/dev/null 2>"$work/err" &&
        compiles gcc "$1" -O0 -fwrapv -funsigned-char && "./$1" --scores hostile.raw | cmp - "$work/want"
}
claim "images that are no digits: no overflow, and the same scores however it is compiled" is_sound lenet5-8

# ---- every architecture, nonlinearity and pooling ----------------------------------------------------------

# What may be lost of 500 answers. Those near the edge between two classes change sides, in both directions: 8 bits move
# an output by a hundredth, which these networks' closest answers do not bear; 4 bits by a tenth.
few=2 more=10
for arch in lenet5 lenet5-1998 lenet4 lenet1 mlp-300 mlp-1000 mlp-300-100 linear; do
    [ -d $arch ] || train $arch --arch $arch --epochs 2
    claim "$arch in 8 bits" exported $arch 8
    claim "  loses hardly an answer" loses_at_most $arch-8 $few
    claim "  gcc compiles it" compiles gcc $arch-8 -O2
    claim "  and it gives its scores" gives_its_scores $arch-8
done
for arch in lenet5 lenet5-1998 mlp-300; do
    claim "$arch in 4 bits" exported $arch 4
    claim "  loses few answers" loses_at_most $arch-4 $more
    claim "  clang compiles it" compiles clang $arch-4 -O2
    claim "  and it gives its scores" gives_its_scores $arch-4
done
claim "RBF outputs and trainable subsampling are sound" is_sound lenet5-1998-4
for activation in tanh relu squash; do
    for pooling in average max sum; do
        name=$activation-$pooling
        train $name --arch lenet1 --activation $activation --pooling $pooling --epochs 1
        claim "$name" exported $name 8
        claim "  loses hardly an answer" loses_at_most $name-8 $few
        claim "  gcc compiles it" compiles gcc $name-8 -O1
        claim "  and it gives its scores" gives_its_scores $name-8
    done
done
claim "the sum of rectified windows is sound" is_sound relu-sum-8

# ---- what costs accuracy -------------------------------------------------------------------------------------

# with_weight FILE NAME TENSOR INDEX VALUE: NAME is FILE with another weight.
with_weight() {
    python3 - "$@" <<'END'
import json, struct, sys
source, name, tensor, index, value = sys.argv[1:]
data = open(source, "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header, values = json.loads(data[8:8 + size]), bytearray(data[8 + size:])
struct.pack_into("<f", values, header[tensor]["data_offsets"][0] + 4 * int(index), float(value))
text = json.dumps(header).encode()
open(name, "wb").write(struct.pack("<Q", len(text)) + text + values)
END
}
# Beside it the unit's other weights are 0, and beside its output those of all other units.
with_weight lenet5/last.safetensors far.safetensors F6.weight 100 10000
lenet export --weights far.safetensors --data "$sample" --format c --out far.c
claim "a weight that stands out costs accuracy, and is still exported" code_is 0
claim "  which is said" grep -q "far.c: [0-9.]* points of accuracy are lost" "$work/err"
claim "  with the layer and the range" grep -q "the weights of F6 reach from -[0-9.]* to 1e+04 (in unit 0)" "$work/err"
claim "  and what is likely to help" complains "clip those that stand out"

# ---- a microcontroller ---------------------------------------------------------------------------------------

m3=(-mcpu=cortex-m3 -mthumb -O2)
# section_bytes FILE NAME...: of the sections whose names begin so.
section_bytes() {
    local file=$1 total=0 name size rest
    shift
    while read -r name size rest; do
        for wanted; do [[ $name != "$wanted"* ]] || total=$((total + size)); done
    done < <(arm-none-eabi-size -A "$file")
    echo $total
}
# fits NAME CONSTANTS: as large as it says, and no larger than this and 16 KB of RAM.
fits() {
    local object=$1.o constants ram
    arm-none-eabi-gcc "${strict[@]}" "${m3[@]}" -fstack-usage -DLENET_NO_MAIN -c "$1.c" -o "$object" 2>"$work/err" || return
    constants=$(section_bytes "$object" .rodata)
    ram=$(section_bytes "$object" .data .bss)
    stack=$(awk '{ sum += $2 } END { print sum }' "$1.su")
    echo "constants $constants, RAM $ram, stack $stack" >"$work/out"
    [ "$constants" -le "$(json "$1.json" 'j["constants"]')" ] && [ "$constants" -le "$2" ] && [ "$stack" -lt 1024 ] &&
        [ "$ram" -eq "$(json "$1.json" 'j["ram"]')" ] && [ "$ram" -le 16384 ]
}
# Everything in the places where the MPS2 board has memory; main gets its words and opens its file by semihosting.
cat >board.c <<'END'
#include <stdlib.h>
extern char stack_top;
int main(int argc, char **argv);
void initialise_monitor_handles(void);
void _init(void) {} /* which exit calls, and what would begin a program is not linked */
void _fini(void) {}
static void reset(void) {
    static char *words[] = {"digits", "--scores", "some.raw", NULL};
    initialise_monitor_handles();
    exit(main(3, words));
}
__attribute__((section(".vectors"), used)) static void *const vectors[] = {&stack_top, (void *)reset};
END
cat >board.ld <<'END'
SECTIONS {
    .text 0 : { KEEP(*(.vectors)) *(.text*) *(.rodata*) *(.ARM*) }
    .data 0x20000000 : { *(.data*) *(.bss*) *(COMMON) }
    end = .;
    stack_top = 0x20080000;
}
END
board_gives_its_scores() {
    arm-none-eabi-gcc "${m3[@]}" --specs=rdimon.specs -nostartfiles -T board.ld board.c "$1.c" -o "$1.elf" 2>"$work/err" &&
        timeout 300 qemu-system-arm -M mps2-an385 -nographic -monitor none -serial none -semihosting-config \
            enable=on,target=native -kernel "$1.elf" >board.out 2>"$work/err" </dev/null &&
        [ "$(wc -l <board.out)" -eq 20 ] && diff board.out <(wanted_scores "$1.json" | head -n 20) >"$work/out"
}
if command -v arm-none-eabi-gcc qemu-system-arm >/dev/null; then
    head -c $((20 * 784)) digits.raw >some.raw
    claim "arm-none-eabi-gcc: 70 KB of constants and 16 KB of RAM are enough" fits lenet5-8 70000
    claim "  with weights of 4 bits 36 KB" fits lenet5-4 36000
    for name in lenet5-8 lenet5-4 lenet5-1998-8; do
        claim "a Cortex-M3 computes the scores of $name" board_gives_its_scores $name
    done
else
    skip "a Cortex-M3" "no arm-none-eabi-gcc or qemu-system-arm (Debian: gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm)"
fi

# ---- what is refused -----------------------------------------------------------------------------------------

# refused TEXT CODE PIECE ARGUMENT...: with this exit code and one line that holds this, and no file.
refused() {
    local text=$1 want=$2 piece=$3
    shift 3
    rm -f new.c
    lenet export "$@"
    claim "$text" is_refused "$want" "$piece"
}
is_refused() { code_is "$1" && complains "$2" && [ "$(wc -l <"$work/err")" -eq 1 ] && [ -z "$(ls new.c* .new.c* 2>/dev/null)" ]; }
good=(--run lenet5 --format c)
refused "no format" 2 "give --format c; scripts/export.py writes onnx and npz" --run lenet5 --out new.c
refused "another format" 2 "--format: wanted c" --run lenet5 --format csv --out new.c
refused "bits that there are not" 2 "--bits: '3' is not one of 8|4" "${good[@]}" --bits 3 --out new.c
refused "no network" 2 "give --run DIR or --weights FILE" --format c --out new.c
refused "no file to write" 2 "give --out FILE.c" "${good[@]}"
refused "a directory that is not there" 3 "there is no directory nowhere" "${good[@]}" --out nowhere/new.c
refused "a directory in place of a file" 3 "a directory, wanted the name of a C file" "${good[@]}" --out lenet5
refused "a device in place of a file" 3 "/dev/full" "${good[@]}" --out /dev/full
refused "the weights themselves" 2 "--out lenet5/./last.safetensors: would replace the weights" \
    "${good[@]}" --out lenet5/./last.safetensors
refused "the weights as a report" 2 "--json lenet5/last.safetensors: would replace the weights" \
    "${good[@]}" --out new.c --json lenet5/last.safetensors
prefix=(bash -c 'ulimit -f 100 && exec "$@"' limited)
refused "a full disk" 3 "new.c" "${good[@]}" --out new.c
prefix=()
refused "data that is not there" 3 "nowhere" "${good[@]}" --data nowhere --out new.c
head -c 1000 lenet5/last.safetensors >cut.safetensors
refused "weights that are cut short" 3 "cut.safetensors" --weights cut.safetensors --data "$sample" --format c --out new.c
"$program" sweep --data "$sample" --device cpu --arch linear --steps 2 --seed 1,2 --population-max 2 --keep-weights \
    --out sweep >sweep.log 2>&1
refused "the weights of a population" 3 "the weights of 2 networks, of which a C file holds one" \
    --weights "$(echo sweep/weights/*)" --data "$sample" --format c --out new.c
refused "a run's directory as weights" 2 "did you mean --run lenet5" --weights lenet5 --format c --out new.c
lenet report sweep --format c
claim "the format is none of lenet report" complains "--format c: for lenet export"

"$program" export --run mlp-300 --format c --out new.c >/dev/null 2>"$work/err" &
while kill -INT $! 2>/dev/null; do sleep 0.05; done
wait $!
code=$?
claim "Ctrl-C: ends by the signal" code_is 130
claim "  and leaves nothing" test -z "$(ls new.c* .new.c* 2>/dev/null)"
finish
