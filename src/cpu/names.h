/* names.h - the names of the CPU twins. All of their compilations live in one program: those in double are called
 * *_cpu64, and those for batches of a single image *_cpu_batch1.
 *
 * The build compiles src/cpu three times: with LENET_REAL=float, with LENET_REAL=double and LENET_CPU64, and with
 * LENET_REAL=float and LENET_BATCH1. */
#ifndef LENET_CPU_NAMES_H
#define LENET_CPU_NAMES_H

#ifndef LENET_REAL
#error                                                                                                                 \
    "compile src/cpu with -DLENET_REAL=float, -DLENET_REAL=double -DLENET_CPU64, or -DLENET_REAL=float -DLENET_BATCH1"
#endif

#ifdef LENET_CPU64
#define CPU_NAME(name) name##_cpu64
#elif defined(LENET_BATCH1)
#define CPU_NAME(name) name##_cpu_batch1
#else
#define CPU_NAME(name) name##_cpu
#endif
#define tile_sum     CPU_NAME(tile_sum)
#define row_products CPU_NAME(row_products)

#endif
