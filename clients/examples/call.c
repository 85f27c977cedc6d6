/* Calls of an action in C, with libzmq alone: bus/PROTOCOL.md section 4.
 *
 *     cc -O2 -o call call.c -lzmq
 *     ./call ipc://$run/frontend.ipc sums add 3
 *
 * Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each. */
#include "hulak_key.h"
#include "hulak_wire.h"
#include <time.h>

enum { AGAIN_MS = 1000, GIVE_UP_S = 60 };

/* Writes REQUEST id service action {a: n, b: n} {timeout_ms: 60000}; returns its size. */
static size_t write_request(unsigned char *to, const unsigned char id[16], const char *service, const char *action, u64 n) {
    unsigned char *at = put(put(to, "Q\x95\xc4\x10", 4), id, 16);
    at = put(put_text(put_text(at, service), action), "\x82", 1);
    at = put_number(put_text(put_number(put_text(at, "a"), n), "b"), n);
    at = put_number(put_text(put(at, "\x81", 1), "timeout_ms"), GIVE_UP_S * 1000);
    return (size_t)(at - to);
}

/* Prints a word, and a value that is a number or text. */
static void print(FILE *to, const char *word, Value value) {
    if (value.kind == 's') fprintf(to, "%s %.*s\n", word, (int)value.count, (const char *)value.bytes.at);
    else if (value.kind == 'u') fprintf(to, "%s %llu\n", word, value.count);
    else if (value.kind == 'i') fprintf(to, "%s %lld\n", word, (long long)value.count);
    else fprintf(to, "%s %.15g\n", word, value.number);
}

/* Calls once, and prints the answer. */
static void call(void *dealer, zmq_msg_t *answer, const char *service, const char *action, u64 n) {
    unsigned char request[512], id[16];
    if (getentropy(id, sizeof id)) abort(); /* unique also over time */
    size_t size = write_request(request, id, service, action, n), length;
    char kind = 0, *text;
    FILE *parts = open_memstream(&text, &length); /* they are printed in the end, since the attempt may fail */
    Bytes in;
    for (time_t deadline = time(NULL) + GIVE_UP_S; !kind && time(NULL) < deadline;) {
        zmq_send(dealer, request, size, 0); /* again under its id: the broker joins it with the one in progress */
        while ((kind = receive_answer(dealer, answer, id, &in)) == 'P') {
            if (next(&in).count == 1) rewind(parts); /* another attempt sends its parts from the first one on */
            print(parts, "part", next(&in));
        }
    }
    fflush(parts);
    fwrite(text, 1, length, stdout);
    if (kind) print(stdout, kind == 'R' ? "reply" : "error", next(&in)); /* of an error its code */
    else puts("error NO_ANSWER");
    fclose(parts), free(text);
}

int main(int count, char **words) {
    if (count != 5 || strlen(words[2]) > 200 || strlen(words[3]) > 200) return fputs("call FRONTEND SERVICE ACTION COUNT\n", stderr), 2;
    int again_ms = AGAIN_MS, linger_ms = 0;
    void *context = zmq_ctx_new(), *dealer = zmq_socket(context, ZMQ_DEALER);
    zmq_setsockopt(dealer, ZMQ_RCVTIMEO, &again_ms, sizeof again_ms);
    zmq_setsockopt(dealer, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    if (connect_with_key(dealer, words[1])) return perror("connect"), 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    zmq_msg_t answer;
    zmq_msg_init(&answer);
    for (u64 n = 1; n <= strtoull(words[4], NULL, 10); n++) call(dealer, &answer, words[2], words[3], n);
    zmq_msg_close(&answer), zmq_close(dealer);
    return zmq_ctx_term(context);
}
