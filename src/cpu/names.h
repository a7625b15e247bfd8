/* names.h - the names of the CPU twins. All of their compilations live in one program: those in double are called
 * *_cpu64_LEVEL, those for batches of a single image *_cpu_batch1_LEVEL, and the others *_cpu_LEVEL.
 *
 * For each level of processors, LENET_LEVEL, the build compiles src/cpu three times: with LENET_REAL=float, with
 * LENET_REAL=double and LENET_CPU64, and with LENET_REAL=float and LENET_BATCH1. */
#ifndef LENET_CPU_NAMES_H
#define LENET_CPU_NAMES_H

#if !defined(LENET_REAL) || !defined(LENET_LEVEL)
#error "compile src/cpu as CMakeLists.txt does, with LENET_LEVEL and LENET_REAL"
#endif

#ifdef LENET_CPU64
#define CPU_KIND _cpu64_
#elif defined(LENET_BATCH1)
#define CPU_KIND _cpu_batch1_
#else
#define CPU_KIND _cpu_
#endif
#define CPU_JOIN_NOW(name, kind, level) name##kind##level
#define CPU_JOIN(name, kind, level)     CPU_JOIN_NOW(name, kind, level)
#define CPU_NAME(name)                  CPU_JOIN(name, CPU_KIND, LENET_LEVEL)
#define tile_sum                        CPU_NAME(tile_sum)
#define row_products                    CPU_NAME(row_products)

#endif
