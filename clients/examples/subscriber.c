/* A subscriber in C that repairs its gaps, with libzmq alone: bus/PROTOCOL.md sections 3, 4 and 7.3.
 *
 *     cc -O2 -o subscriber subscriber.c -lzmq
 *     run=$HOME/.local/state/hulak/run
 *     ./subscriber ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100 [RECEIVE_HWM]
 *
 * Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps. Repaired gaps are on standard error. */
#include "hulak_key.h"
#include "hulak_wire.h"

static const char *topic;
static void *live, *dealer;
static zmq_msg_t published, answer;
static u64 epoch, expected, remaining, lost; /* expected: next sequence, 0 at first; remaining: to print; lost: in this gap */

/* Prints a new tick; it is the next one, or the ticks before it are no longer available. */
static void show(u64 sequence, u64 seen, Bytes body) {
    if (!remaining || sequence < expected || sequence == NOT_OURS || seen > epoch) return;
    Bytes again = body;
    printf("%llu %.15g %.15g\n", sequence, find(&body, "bid").number, find(&again, "ask").number);
    lost += sequence - expected;
    expected = sequence + 1;
    remaining--;
}

/* Requests ticks again, until there is an answer, and shows them. Returns the first number that it does not cover; the epoch
 * of the last tick is in `newest`, 0: there is none. Live ticks wait meanwhile, and an overflow is the next gap. */
static u64 replay(u64 first, u64 last, u64 *newest) {
    *newest = 0;
    unsigned char id[16];
    char kind;
    Bytes in;
    do { /* no answer in a second: the broker died or is busy; repeat the request */
        ask_replay(dealer, id, topic, first, last);
        while ((kind = receive_replay(dealer, &answer, id, &in)) == 'P')
            for (u64 rows = next(&in).count; rows && in.at < in.end; rows--) {
                next(&in), next(&in); /* a row's head, and its number among all ticks */
                Bytes frame = next(&in).bytes;
                u64 sequence = open_publication(&frame, topic, newest);
                show(sequence, *newest, frame);
            }
    } while (!kind);
    Value from = find(&in, kind == 'R' ? "next" : "oldest"); /* nothing before it is available */
    return from.kind == 'u' && from.count <= last ? from.count : last + 1;
}

/* Prints all missing ticks up to `last`. */
static void repair(u64 last) {
    u64 first = expected, newest;
    for (lost = 0; expected <= last && remaining;) {
        u64 further = replay(expected, last - expected < remaining ? last : expected + remaining - 1, &newest);
        if (further > expected) lost += further - expected, expected = further;
    }
    if (first == expected) return;
    fprintf(stderr, lost ? "gap %llu..%llu repaired but for %llu\n" : "gap %llu..%llu repaired\n", first, expected - 1, lost);
}

/* A larger epoch, whose newest number is `last`, may use numbers before it again: goes back to the first of them. */
static void go_back(u64 seen, u64 last) {
    u64 before = expected, newest;
    if (last < expected) expected = last + 1;
    while (epoch && expected > 1) {
        replay(expected - 1, expected - 1, &newest);
        if (newest <= epoch) break; /* it has been seen */
        expected--;
    }
    if (expected < before) fprintf(stderr, "epoch %llu uses %llu..%llu again\n", seen, expected, before - 1);
    epoch = seen;
}

int main(int count, char **words) {
    if (count < 5 || strlen(words[3]) > 128) return fputs("subscriber PUBLISHER FRONTEND TOPIC COUNT [RECEIVE_HWM]\n", stderr), 2;
    int hwm = count > 5 ? atoi(words[5]) : 100000, limit_ms = 1000, all = 0;
    void *context = zmq_ctx_new();
    live = zmq_socket(context, ZMQ_SUB), dealer = zmq_socket(context, ZMQ_DEALER);
    topic = words[3], remaining = strtoull(words[4], NULL, 10);
    zmq_setsockopt(live, ZMQ_RCVHWM, &hwm, sizeof hwm);            /* libzmq's default of 1,000 is less than a burst */
    zmq_setsockopt(live, ZMQ_SNDHWM, &all, sizeof all);            /* or it drops subscriptions beyond 1,000 */
    zmq_setsockopt(live, ZMQ_SUBSCRIBE, topic, strlen(topic) + 1); /* with the NUL, or tick.EURUSDX would match too */
    zmq_setsockopt(live, ZMQ_SUBSCRIBE, "heartbeat", 10);
    zmq_setsockopt(dealer, ZMQ_RCVTIMEO, &limit_ms, sizeof limit_ms);
    if (connect_with_key(live, words[1]) || connect_with_key(dealer, words[2])) return perror("connect"), 1;
    setvbuf(stdout, NULL, _IOLBF, 0), zmq_msg_init(&published), zmq_msg_init(&answer);
    while (remaining) {
        Bytes frame = receive(live, &published), heartbeat = frame;
        u64 seen, sequence = open_publication(&frame, topic, &seen), last = sequence - 1;
        if (sequence == NOT_OURS) { /* the last numbers in a heartbeat reveal a lost last tick too */
            if (!expected || open_publication(&heartbeat, "heartbeat", &seen) == NOT_OURS) continue;
            seek(&heartbeat, "topics");
            if (!(last = find(&heartbeat, topic).count)) continue;
        }
        if (seen < epoch) continue;
        if (!expected) expected = sequence;
        if (seen > epoch) go_back(seen, last);
        repair(last);
        show(sequence, seen, frame);
    }
    return 0;
}
