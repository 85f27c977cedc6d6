/* The ring that ring.c reads, ticks in shared memory: bus/PROTOCOL.md section 13. Linux on x86-64. */
#ifndef HULAK_RING_H
#define HULAK_RING_H
#include "hulak_wire.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 4096, CLAIM = 64, HEAD = 128, TURN = 144 }; /* offsets in the header, and its length */
typedef unsigned u32;

static unsigned char *ring, *copy;
static u64 capacity, id, position;

static u64 word(int at) { return __atomic_load_n((u64 *)(ring + at), __ATOMIC_ACQUIRE); }
static u32 turn(void) { return __atomic_load_n((u32 *)(ring + TURN), __ATOMIC_ACQUIRE); }

/* Opens the ring that a hello names, unless it is open. An older one was read to its end before. */
static void join(Bytes hello) {
    u64 epoch, sequence = open_publication(&hello, "hulak.hello", &epoch);
    if (sequence == NOT_OURS) return;
    seek(&hello, "ring");
    Bytes ids = hello, heads = hello;
    Value path = find(&hello, "path"), its = find(&ids, "id"), head = find(&heads, "head");
    char name[256] = "";
    unsigned char start[32];
    if (path.kind != 's' || path.count >= sizeof name || its.count == id) return;
    int file = open(memcpy(name, path.bytes.at, path.count), O_RDONLY | O_CLOEXEC), again = ring != NULL;
    if (file < 0 || pread(file, start, 32, 0) != 32 || memcmp(start, "HULAKRNG\1", 9) || memcmp(start + 24, &its.count, 8)) {
        fprintf(stderr, "%s is not the ring of this broker\n", name);
        exit(1);
    }
    if (again) munmap(ring, HEADER + capacity);
    memcpy(&capacity, start + 16, 8);
    ring = mmap(NULL, HEADER + capacity, PROT_READ, MAP_SHARED, file, 0), copy = realloc(copy, capacity / 4);
    if (ring == MAP_FAILED || !copy) perror("mmap"), exit(1);
    close(file);
    id = its.count, position = again && word(CLAIM) <= capacity ? 0 : head.count;
}

/* Copies the next record; returns it, or NULL if there is none at this position. */
static const u32 *take(void) {
    const unsigned char *from = ring + HEADER + position % capacity;
    if (position == word(HEAD)) return NULL;
    u32 size = *(const volatile u32 *)from;
    if (size != ~0u) memcpy(copy, from, size < capacity / 4 ? size : capacity / 4);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (word(CLAIM) - position > capacity) { /* too slow: the copy may be torn, and its ticks are a gap by the numbers */
        position = word(HEAD);
        return NULL;
    }
    position += size == ~0u ? capacity - position % capacity : size;
    return size == ~0u ? NULL : (const u32 *)copy;
}

/* Sleeps until there is a record, for 50 ms at most; wakes two further readers. Returns whether it was woken. */
static int sleep_on_ring(void) {
    u32 seen = turn(), others = 2;
    if (position != word(HEAD)) return 1;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 50000000;
    if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, until.tv_sec++;
    if (syscall(SYS_futex, ring + TURN, FUTEX_WAIT_BITSET, seen, &until, NULL, 1u << seen % 32)) return 0;
    syscall(SYS_futex, ring + TURN, FUTEX_WAKE_BITSET, others, NULL, NULL, ~(1u << turn() % 32));
    return 1;
}
#endif
