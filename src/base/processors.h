/* processors.h - how many processors this process may use. */
#ifndef LENET_BASE_PROCESSORS_H
#define LENET_BASE_PROCESSORS_H
#ifdef __cplusplus
extern "C" {
#endif

/* At least 1: the processors that are there, fewer where the process is bound to some of them (taskset, Slurm) or its
 * control group has a share of them only (containers). */
int lenet_processors(void);

/* The same where cpu.max of cgroup v2, or cpu.cfs_quota_us and cpu.cfs_period_us of v1, say so: whole processors that
 * this quota of each period is enough for, rounded up. 0 for none. For tests. */
int lenet_quota_processors(const char *quota, const char *period);

#ifdef __cplusplus
}
#endif
#endif
