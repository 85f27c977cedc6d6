/* A reader of the ring, ticks in shared memory on the broker's machine: bus/PROTOCOL.md section 13. Linux on x86-64.
 *
 *     cc -O2 -o ring ring.c -lzmq
 *     ./ring ipc://$HOME/.local/state/hulak/run/publisher.ipc tick.EURUSD 100
 *
 * Prints `sequence bid ask` of the next COUNT ticks. Missed ones, on standard error, can be replayed: subscriber.c does so. */
#include "hulak_ring.h"

#define SILENT 20 /* waits without a record, each of 50 ms: then the broker may have been restarted */

static const char *topic;
static u64 expected, remaining; /* next sequence, 0 at first; ticks to print */

/* Reports the numbers below `sequence` that were missed. */
static void expect(u64 sequence) {
    if (expected && sequence > expected) fprintf(stderr, "gap %llu..%llu\n", expected, sequence - 1);
    if (sequence > expected) expected = sequence;
}

/* Prints the topic's ticks of a record, and no others are decoded. */
static void show(const u32 *record) { /* its length, that of its frame, number of ticks, length of their topics */
    u32 length = record[1], ticks = record[2];
    const u64 *sequences = (const u64 *)(record + 4);
    const u32 *offsets = (const u32 *)(sequences + ticks);
    const char *name = (const char *)(offsets + ticks);
    const unsigned char *frame = (const unsigned char *)name + record[3];
    Bytes heartbeat = {frame, frame + length};
    u64 epoch;
    if (!ticks && expected && open_publication(&heartbeat, "heartbeat", &epoch) != NOT_OURS) {
        seek(&heartbeat, "topics"); /* last numbers: they reveal a lost last message too */
        expect(find(&heartbeat, topic).count + 1);
    }
    for (u32 n = 0; n < ticks && remaining; name += strlen(name) + 1, n++) {
        if (strcmp(name, topic) || sequences[n] < expected) continue;
        Bytes body = {frame + offsets[n], frame + (n + 1 < ticks ? offsets[n + 1] : length)}, again = body;
        expect(sequences[n]), expected++, remaining--;
        printf("%llu %.15g %.15g\n", sequences[n], find(&body, "bid").number, find(&again, "ask").number);
    }
}

int main(int count, char **words) {
    if (count < 4 || strlen(words[2]) > 128) return fputs("ring PUBLISHER TOPIC COUNT\n", stderr), 2;
    void *context = zmq_ctx_new(), *live = zmq_socket(context, ZMQ_SUB);
    zmq_msg_t hello;
    int silent = 0, limit_ms = 20000, none = 0;
    topic = words[2], remaining = strtoull(words[3], NULL, 10);
    zmq_setsockopt(live, ZMQ_SUBSCRIBE, "hulak.hello", 12); /* stays: libzmq subscribes again when the broker was restarted */
    zmq_setsockopt(live, ZMQ_RCVTIMEO, &limit_ms, sizeof limit_ms);
    if (zmq_connect(live, words[1])) return perror("connect"), 1;
    setvbuf(stdout, NULL, _IOLBF, 0), zmq_msg_init(&hello);
    join(receive(live, &hello));
    if (!ring) return fputs("the broker has no ring\n", stderr), 1;
    zmq_setsockopt(live, ZMQ_RCVTIMEO, &none, sizeof none); /* from now on only a look */
    while (remaining) {
        const u32 *record = take();
        if (record) show(record);
        else if (position == word(HEAD)) silent = sleep_on_ring() ? 0 : silent + 1;
        if (silent >= SILENT) join(receive(live, &hello));
    }
    return 0;
}
