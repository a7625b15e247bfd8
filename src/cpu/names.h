/* names.h - the twins of both precisions live in one program; the double ones are called *_cpu64.
 *
 * The build compiles src/cpu twice: with LENET_REAL=float, and with LENET_REAL=double and LENET_CPU64. */
#ifndef LENET_CPU_NAMES_H
#define LENET_CPU_NAMES_H

#ifndef LENET_REAL
#error "compile src/cpu with -DLENET_REAL=float, or with -DLENET_REAL=double -DLENET_CPU64"
#endif

#ifdef LENET_CPU64
#define CPU_NAME(name) name##_cpu64
#else
#define CPU_NAME(name) name##_cpu
#endif
#define tile_sum CPU_NAME(tile_sum)

#endif
