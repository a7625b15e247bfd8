/* processors.c - counts processors as the scheduler sees them: affinity, and the quotas of control groups. */
#define _GNU_SOURCE
#include "base/processors.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int bound_processors(void) {
    cpu_set_t set;
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
    return online > 0 ? (int)online : 1; /* a machine of more than 1024, whose set is larger */
}

int lenet_quota_processors(const char *quota, const char *period) {
    const double of = strtod(quota, NULL), in = strtod(period, NULL); /* "max" and "-1" are no quota */
    if (!(of > 0) || !(in > 0) || of / in > 1e6) return 0;
    const int whole = (int)(of / in);
    return whole < of / in ? whole + 1 : whole;
}

/* Reads the first line of a file of a group; 0 where it is not there. */
static int read_group(const char *directory, const char *name, char *line, int size) {
    char path[4352];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "re");
    const int there = file && fgets(line, size, file);
    if (file) (void)fclose(file);
    return there;
}

static int group_quota(const char *directory) {
    char quota[64], period[64], *space;
    if (read_group(directory, "cpu.max", quota, sizeof quota))
        return (space = strchr(quota, ' ')) ? lenet_quota_processors(quota, space + 1) : 0;
    if (read_group(directory, "cpu.cfs_quota_us", quota, sizeof quota) &&
        read_group(directory, "cpu.cfs_period_us", period, sizeof period))
        return lenet_quota_processors(quota, period);
    return 0;
}

/* The smallest quota of a group and of those that it lies in, as far up as root. */
static int least_quota(const char *root, const char *group) {
    char directory[4096];
    int least = 0;
    snprintf(directory, sizeof directory, "%s%s", root, group);
    for (;;) {
        const int quota = group_quota(directory);
        if (quota && (!least || quota < least)) least = quota;
        char *slash = strlen(directory) > strlen(root) ? strrchr(directory, '/') : NULL;
        if (!slash) return least;
        *slash = 0;
    }
}

/* A line of /proc/self/cgroup is ID:CONTROLLERS:GROUP; version 2 has no controllers there. */
static int quota_processors(void) {
    char line[4096];
    int quota = 0;
    FILE *groups = fopen("/proc/self/cgroup", "re");
    while (groups && !quota && fgets(line, sizeof line, groups)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = 0;
        controllers++;
        if (!controllers[0]) quota = least_quota("/sys/fs/cgroup", group);
        if (strstr(controllers, "cpu") && !strstr(controllers, "cpuset"))
            quota = least_quota("/sys/fs/cgroup/cpu", group);
    }
    if (groups) (void)fclose(groups);
    return quota;
}

int lenet_processors(void) {
    const int bound = bound_processors(), quota = quota_processors();
    return quota && quota < bound ? quota : bound;
}
