/* Readers of a ring for the benchmark: as many threads as asked for, each with a separate mapping, copying every record.
 * bus/PROTOCOL.md sections 13.2 and 13.3. Linux on x86-64.
 *
 *     cc -O2 -pthread -o ring_readers ring_readers.c
 *     ./ring_readers /dev/shm/hulak-0123456789abcdef.ring 20
 *
 * All begin at the same record. It prints `ready` when all of them sleep. At the end of its input they read on to the record that is
 * then the newest, all to the same, and it prints how many records the slowest and the fastest have. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HEADER 4096
#define WOKEN 2
#define LONGEST_NS 50000000L

typedef struct {
    const char *ring;
    uint64_t capacity;
    volatile uint64_t records, position;
    volatile int sleeps;
} Reader;

static volatile uint64_t end = UINT64_MAX; /* the position at which all readers stop */

static uint64_t word(const Reader *reader, int at) { return *(volatile const uint64_t *)(reader->ring + at); }
static uint32_t turn_of(const Reader *reader) { return *(volatile const uint32_t *)(reader->ring + 144); }

/* Sleeps until a record is written after this turn; wakes further readers before it reads. */
static void sleep_on(Reader *reader, uint32_t turn) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LONGEST_NS;
    if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
    const char *at = reader->ring + 144;
    reader->sleeps = 1;
    if (syscall(SYS_futex, at, FUTEX_WAIT_BITSET, turn, &until, NULL, 1u << (turn & 31)) == 0)
        syscall(SYS_futex, at, FUTEX_WAKE_BITSET, WOKEN, NULL, NULL, ~(1u << (turn_of(reader) & 31)));
}

static void *run(void *argument) {
    static __thread char copy[1 << 16];
    Reader *reader = argument;
    uint64_t position = reader->position;
    for (;;) {
        uint32_t turn = turn_of(reader);
        uint64_t head = word(reader, 128);
        while (position < head && position < end) {
            uint64_t at = position % reader->capacity;
            const char *record = reader->ring + HEADER + at;
            uint32_t size = *(const uint32_t *)record;
            if (size == UINT32_MAX) {
                position += reader->capacity - at;
                continue;
            }
            memcpy(copy, record, size < sizeof copy ? size : sizeof copy);
            if (word(reader, 64) - position > reader->capacity) return fputs("a reader was too slow\n", stderr), exit(1), NULL;
            position += size;
            reader->records++, reader->position = position;
        }
        sleep_on(reader, turn);
    }
}

int main(int count, char **words) {
    if (count != 3 || atoi(words[2]) < 1) return fputs("ring_readers RING NUMBER\n", stderr), 2;
    /* So many readers need more cores than there are. They give way to the broker: else it would wait, and write fewer records. */
    if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0})) return perror("SCHED_IDLE"), 1;
    int fd = open(words[1], O_RDONLY), number = atoi(words[2]);
    struct stat file;
    if (fd < 0 || fstat(fd, &file)) return perror(words[1]), 1;
    Reader *readers = calloc(number, sizeof *readers);
    pthread_attr_t small;
    pthread_attr_init(&small), pthread_attr_setstacksize(&small, 1 << 17);
    uint64_t begin = 0;
    for (int n = 0; n < number; n++) {
        pthread_t thread;
        readers[n].ring = mmap(NULL, file.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (readers[n].ring == MAP_FAILED) return perror("mmap"), 1;
        readers[n].capacity = word(&readers[n], 16);
        readers[n].position = begin = n ? begin : word(readers, 128);
        if (pthread_create(&thread, &small, run, &readers[n])) return fputs("no more threads\n", stderr), 1;
    }
    for (int n = 0; n < number; n++)
        while (!readers[n].sleeps) usleep(1000);
    puts("ready"), fflush(stdout);
    while (getchar() != EOF);
    /* If the head is still the same after `end` is seen by all, no reader can have a record beyond it. */
    do end = word(readers, 128), __sync_synchronize();
    while (word(readers, 128) != end);
    for (int n = 0; n < number; n++)
        while (readers[n].position < end) usleep(1000);
    uint64_t slowest = readers[0].records, fastest = slowest;
    for (int n = 1; n < number; n++) {
        if (readers[n].records < slowest) slowest = readers[n].records;
        if (readers[n].records > fastest) fastest = readers[n].records;
    }
    printf("%llu %llu\n", (unsigned long long)slowest, (unsigned long long)fastest);
    return 0;
}
