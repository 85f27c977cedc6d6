/* Loaded before libc (LD_PRELOAD): a disk that fails, and a wall clock that is wrong, as a file says that both sides map.
 *
 * The file is named by TRIAL_FAULTS. `disk` is the errno that writes to files whose path contains `part` end with, 0 for a well
 * disk. EROFS also refuses to open for writing, to make, rename and delete; ENOSPC refuses to make files; EIO fails syncs.
 * `clock_ns` is added to the wall clock. Monotonic clocks are never touched. Linux.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct faults {
    int32_t disk;
    int32_t unused;
    int64_t clock_ns;
    char part[112];
};

static const struct faults well;
static const volatile struct faults *now = &well;

#define REAL(name, ...) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

__attribute__((constructor)) static void map_file(void) {
    const char *path = getenv("TRIAL_FAULTS");
    int fd = path ? REAL(open, path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *found = mmap(NULL, sizeof well, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (found != MAP_FAILED) now = found;
}

static int is_sick_path(const char *path) {
    return now->disk && path && strstr(path, (const char *)now->part);
}

static int is_sick(int fd) {
    char link[32], path[512];
    if (!now->disk) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_sick_path(path);
}

#define FAIL_WRITES(type, name, args, ...)              \
    type name args {                                    \
        if (is_sick(fd)) return errno = now->disk, -1;  \
        return REAL(name, __VA_ARGS__);                 \
    }

FAIL_WRITES(ssize_t, write, (int fd, const void *data, size_t size), fd, data, size)
FAIL_WRITES(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), fd, data, size, at)
FAIL_WRITES(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), fd, data, size, at)

#define FAIL_UNLESS_FULL(type, name, args, ...)                                \
    type name args {                                                           \
        if (now->disk != ENOSPC && is_sick(fd)) return errno = now->disk, -1;  \
        return REAL(name, __VA_ARGS__);                                        \
    }

FAIL_UNLESS_FULL(int, fsync, (int fd), fd)
FAIL_UNLESS_FULL(int, fdatasync, (int fd), fd)
FAIL_UNLESS_FULL(int, ftruncate, (int fd, off_t size), fd, size)
FAIL_UNLESS_FULL(int, ftruncate64, (int fd, off64_t size), fd, size)

#define FAIL_READ_ONLY(name, args, path, ...)                                            \
    int name args {                                                                      \
        if (now->disk == EROFS && is_sick_path(path)) return errno = now->disk, -1;      \
        return REAL(name, __VA_ARGS__);                                                  \
    }

FAIL_READ_ONLY(unlink, (const char *path), path, path)
FAIL_READ_ONLY(rename, (const char *from, const char *to), to, from, to)
FAIL_READ_ONLY(truncate, (const char *path, off_t size), path, path, size)
FAIL_READ_ONLY(truncate64, (const char *path, off64_t size), path, path, size)

static int may_open(const char *path, int flags) {
    if (!is_sick_path(path)) return 1;
    if (now->disk == EROFS) return (flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT);
    return !(flags & O_CREAT) || access(path, F_OK) == 0;
}

#define OPEN(name)                                                \
    int name(const char *path, int flags, ...) {                  \
        va_list rest;                                             \
        va_start(rest, flags);                                    \
        mode_t mode = va_arg(rest, int);                          \
        va_end(rest);                                             \
        if (!may_open(path, flags)) return errno = now->disk, -1; \
        return REAL(name, path, flags, mode);                     \
    }

OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode) {
    if (is_sick_path(path)) return errno = now->disk, -1;
    return REAL(mkdir, path, mode);
}

int clock_gettime(clockid_t id, struct timespec *at) {
    int failed = REAL(clock_gettime, id, at);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t ns = at->tv_sec * 1000000000LL + at->tv_nsec + now->clock_ns;
        at->tv_sec = ns / 1000000000LL;
        at->tv_nsec = ns % 1000000000LL;
    }
    return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
    int failed = REAL(gettimeofday, at, zone);
    if (!failed) at->tv_sec += now->clock_ns / 1000000000LL;
    return failed;
}

time_t time(time_t *at) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (at) *at = found.tv_sec;
    return found.tv_sec;
}
