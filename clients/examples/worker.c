/* A worker in C, with libzmq alone: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
 *
 *     cc -O2 -o worker worker.c -lzmq
 *     ./worker ipc://$run/backend.ipc sums
 *     hulak task call sums add '{"a": 1, "b": 2}'
 *
 * With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats. */
#include "hulak_key.h"
#include "hulak_wire.h"
#include <time.h>
#include <unistd.h>

enum { BEAT_MS = 250, POLL_MS = 10 };

static void *backend;
static char *service, name[64]; /* the name: another one after each start */
static u64 epoch; /* of the broker; 0 before its first HEARTBEAT */
static int known, retired, holds; /* whether the broker knows the worker; whether the worker holds a task */
static unsigned char id[16], tag; /* of that task; tag: of the sum in msgpack, 0 if the action is unknown */
static u64 attempt, due_ms, sum; /* its result is sent once it is due and the broker knows the worker */

static u64 now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000 + (u64)now.tv_nsec / 1000000;
}

/* Writes the array of held tasks: [id, attempt] of each. */
static unsigned char *put_held(unsigned char *to) {
    return holds ? put_number(put(put(to, "\x91\x92\xc4\x10", 4), id, 16), attempt) : put(to, "\x90", 1);
}

static void send_ready(void) {
    unsigned char ready[512], *at = put_text(put_text(put(ready, "Y\x95", 2), service), name);
    at = put(put_held(put(at, retired ? "\0" : "\1", 1)), "\x80", 1); /* credit, held tasks, an empty map */
    zmq_send(backend, ready, (size_t)(at - ready), 0);
}

static void send_heartbeat(void) {
    unsigned char heartbeat[64], *at = put(put_held(put(heartbeat, "H\x92", 2)), "\xc0", 1);
    zmq_send(backend, heartbeat, (size_t)(at - heartbeat), 0);
}

static void send_result(void) {
    unsigned char result[256], *at = put_number(put(put(result, "R\x94\xc4\x10", 4), id, 16), attempt);
    if (tag) {
        at = put_tagged(put(at, "\xc3", 1), tag, sum);
    } else {
        at = put_text(put_text(put(at, "\xc2\x82", 2), "code"), "UNKNOWN_ACTION");
        at = put_text(put_text(at, "text"), "the action is unknown, must be add");
    }
    zmq_send(backend, result, (size_t)(at - result), 0);
}

static void begin(Bytes in) {
    Value task = next(&in), attempts = next(&in), action = next(&in);
    Bytes again = in, once_more = in; /* find() begins at the head of the map */
    Value a = find(&again, "a"), b = find(&once_more, "b");
    if (task.kind != 's' || task.count != sizeof id) return;
    memcpy(id, task.bytes.at, sizeof id);
    holds = 1, attempt = attempts.count, sum = a.count + b.count, due_ms = now_ms() + find(&in, "ms").count;
    int is_negative = (a.kind == 'i' || b.kind == 'i') && (long long)sum < 0;
    tag = !is_text(action, "add") ? 0 : is_negative ? 0xd3 : 0xcf;
}

static void take(Bytes in) {
    char kind = (char)*in.at++;
    next(&in); /* the head of its array */
    if (kind == 'H') {
        u64 seen = next(&in).count;
        known = next(&in).count && (!epoch || seen == epoch);
        if (!known) send_ready(); /* the broker answers with HEARTBEAT */
        epoch = seen;
    }
    if (kind == 'T' && !retired && !holds) begin(in); /* a retired worker's task goes to another one */
    if (kind == 'X') retired = 1;
}

int main(int count, char **words) {
    if (count != 3 || strlen(words[2]) > 200) return fputs("worker BACKEND SERVICE\n", stderr), 2;
    int unique, poll_ms = POLL_MS;
    if (getentropy(&unique, sizeof unique)) abort();
    snprintf(name, sizeof name, "c/%d/%x", (int)getpid(), unique);
    void *context = zmq_ctx_new();
    backend = zmq_socket(context, ZMQ_DEALER), service = words[2];
    zmq_setsockopt(backend, ZMQ_RCVTIMEO, &poll_ms, sizeof poll_ms);
    if (connect_with_key(backend, words[1])) return perror("connect"), 1;
    zmq_msg_t message;
    zmq_msg_init(&message);
    send_ready();
    for (u64 beat_ms = 0; !retired || holds;) {
        Bytes in = receive(backend, &message);
        if (in.at != in.end) take(in);
        if (holds && known && now_ms() >= due_ms) send_result(), holds = 0;
        if (now_ms() >= beat_ms) send_heartbeat(), beat_ms = now_ms() + BEAT_MS;
    }
    zmq_send(backend, "G\x91\xa7retired", 10, 0);
    return zmq_close(backend), zmq_ctx_term(context); /* waits until that is sent */
}
