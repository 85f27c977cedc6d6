/* A subscriber in C that repairs its gaps, with libzmq alone: bus/PROTOCOL.md sections 3, 4 and 7.3.
 *
 *     cc -O2 -o subscriber subscriber.c -lzmq
 *     ./subscriber tcp://127.0.0.1:5551 tcp://127.0.0.1:5552 tick.EURUSD 100 [RECEIVE_HWM]
 *
 * Prints `sequence bid ask` of COUNT ticks: in order, none twice, none left out. Standard error tells of the gaps. */
#include "hulak_wire.h"
#include <stdio.h>

static const char *topic;
static void *live, *asks;
static zmq_msg_t published, answer;
static u64 epoch, expected, left, lost; /* expected: comes next, 0 before the first; left: still to print; lost: of this gap */

/* Prints a tick that was not seen yet; it is the next one, or what lies before it can never be had. */
static void show(u64 sequence, Bytes body) {
    if (!left || sequence < expected || sequence == NOT_OURS) return;
    Bytes again = body;
    printf("%llu %.15g %.15g\n", sequence, find(&body, "bid").number, find(&again, "ask").number);
    lost += sequence - expected;
    expected = sequence + 1;
    left--;
}

/* Has everything up to `last` replayed; what is published meanwhile waits, and what overflows is the next gap. */
static void repair(u64 last) {
    unsigned char id[16];
    char kind;
    Bytes in;
    u64 told, first = expected;
    for (lost = 0; expected <= last && left;) {
        u64 upto = last - expected < left ? last : expected + left - 1;
        ask_replay(asks, id, topic, expected, upto);
        while ((kind = receive_answer(asks, &answer, id, &in)) == 'P')
            for (u64 rows = next(&in).count; rows && in.at < in.end; rows--) {
                next(&in), next(&in); /* a row's head, and its number among all ticks */
                Bytes frame = next(&in).bytes;
                u64 sequence = open_publication(&frame, topic, &told);
                show(sequence, frame);
            }
        if (!kind) continue; /* no answer in a second: the broker has died, or is busy, and is asked again */
        Value from = find(&in, kind == 'R' ? "next" : "oldest"); /* before it there is nothing more */
        u64 further = from.kind == 'u' && from.count <= upto ? from.count : upto + 1;
        if (further > expected) lost += further - expected, expected = further;
    }
    if (first == expected) return;
    fprintf(stderr, lost ? "gap %llu..%llu repaired but for %llu\n" : "gap %llu..%llu repaired\n", first, expected - 1, lost);
}

int main(int count, char **words) {
    if (count < 5 || strlen(words[3]) > 128) return fputs("subscriber PUBLISHER FRONTEND TOPIC COUNT [RECEIVE_HWM]\n", stderr), 2;
    int hwm = count > 5 ? atoi(words[5]) : 100000, limit_ms = 1000, all = 0;
    void *context = zmq_ctx_new();
    live = zmq_socket(context, ZMQ_SUB), asks = zmq_socket(context, ZMQ_DEALER);
    topic = words[3], left = strtoull(words[4], NULL, 10);
    zmq_setsockopt(live, ZMQ_RCVHWM, &hwm, sizeof hwm);            /* libzmq's own 1,000 messages are less than a burst */
    zmq_setsockopt(live, ZMQ_SNDHWM, &all, sizeof all);            /* or it drops the subscriptions beyond 1,000 */
    zmq_setsockopt(live, ZMQ_SUBSCRIBE, topic, strlen(topic) + 1); /* with the NUL, or tick.EURUSDX would come too */
    zmq_setsockopt(live, ZMQ_SUBSCRIBE, "heartbeat", 10);
    zmq_setsockopt(asks, ZMQ_RCVTIMEO, &limit_ms, sizeof limit_ms);
    if (zmq_connect(live, words[1]) || zmq_connect(asks, words[2])) return perror("connect"), 1;
    setvbuf(stdout, NULL, _IOLBF, 0), zmq_msg_init(&published), zmq_msg_init(&answer);
    while (left) {
        Bytes frame = receive(live, &published), beat = frame;
        u64 told, sequence = open_publication(&frame, topic, &told);
        if (sequence != NOT_OURS && told >= epoch) {
            int again = told > epoch && sequence < expected; /* the broker lost ticks, and gives their numbers to others */
            if (again) fprintf(stderr, "epoch %llu uses %llu..%llu again\n", told, sequence, expected - 1);
            if (again || !expected) expected = sequence;
            epoch = told;
            repair(sequence - 1);
            show(sequence, frame);
        } else if (expected && open_publication(&beat, "heartbeat", &told) != NOT_OURS) {
            seek(&beat, "topics"); /* the last numbers: so a lost last message is noticed too */
            repair(find(&beat, topic).count);
        }
    }
    return 0;
}
