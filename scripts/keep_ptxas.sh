#!/bin/sh
# keep_ptxas.sh NVCC ... -o OBJECT ... - runs the compiler, and keeps what ptxas says of the kernels in OBJECT.ptxas,
# for scripts/kernel_report.py. What else the compiler prints is printed.
object=kernels.o previous=
for word; do
    if [ "$previous" = -o ]; then object=$word; fi
    previous=$word
done
"$@" 2>"$object.ptxas"
code=$?
grep -vE '^ptxas info|^ +[0-9]+ bytes stack frame' "$object.ptxas" >&2
exit $code
