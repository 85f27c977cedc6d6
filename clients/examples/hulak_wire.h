/* The few frames of the wire that the programs in C need: bus/PROTOCOL.md sections 3.1, 4.1 and 7.3. */
#ifndef HULAK_WIRE_H
#define HULAK_WIRE_H
#include "tiny_msgpack.h"
#include <stdlib.h>
#include <sys/random.h>
#include <zmq.h>

#define NOT_OURS (~0ull)

/* Receives a message; returns no bytes if none arrived within the socket's time limit. */
static Bytes receive(void *socket, zmq_msg_t *message) {
    if (zmq_msg_recv(message, socket, 0) < 0) return (Bytes){0};
    const unsigned char *data = zmq_msg_data(message);
    return (Bytes){data, data + zmq_msg_size(message)};
}

/* Opens a publication, `topic NUL epoch sequence time_ns body`; its body remains. Returns its sequence, or NOT_OURS. */
static inline u64 open_publication(Bytes *frame, const char *topic, u64 *epoch) {
    size_t cut = strlen(topic) + 1; /* with the NUL */
    if ((size_t)(frame->end - frame->at) < cut + 25 || memcmp(frame->at, topic, cut)) return NOT_OURS;
    frame->at += cut;
    *epoch = big_endian(frame, 8);
    u64 sequence = big_endian(frame, 8);
    frame->at += 8;
    return sequence;
}

/* Writing msgpack: raw bytes, integers, and a text of up to 255 bytes; all return the position after it. */
static inline unsigned char *put(unsigned char *to, const void *bytes, size_t size) {
    memcpy(to, bytes, size);
    return to + size;
}

static inline unsigned char *put_tagged(unsigned char *to, unsigned char tag, u64 value) {
    *to++ = tag;
    for (int shift = 56; shift >= 0; shift -= 8) *to++ = (unsigned char)(value >> shift);
    return to;
}

static inline unsigned char *put_number(unsigned char *to, u64 value) { return put_tagged(to, 0xcf, value); }

static inline unsigned char *put_text(unsigned char *to, const char *text) {
    unsigned char length = (unsigned char)strlen(text);
    return put(put(put(to, "\xd9", 1), &length, 1), text, length);
}

/* Sends REQUEST id "hulak.replay" "" {topic, from, to} {}, under a new id. */
static inline void ask_replay(void *socket, unsigned char id[16], const char *topic, u64 from, u64 to) {
    unsigned char request[256];
    if (getentropy(id, 16)) abort();
    unsigned char *end = put(put(request, "Q\x95\xc4\x10", 4), id, 16);
    end = put(put_text(put_text(end, "hulak.replay"), ""), "\x83", 1);
    end = put_number(put_text(put_text(put_text(end, "topic"), topic), "from"), from);
    end = put(put_number(put_text(end, "to"), to), "\x80", 1);
    zmq_send(socket, request, (size_t)(end - request), 0);
}

/* Receives an answer to a request: its kind, with what follows the id unread; or 0 after a timeout. Answers to earlier
 * requests are ignored. */
static inline char receive_answer(void *socket, zmq_msg_t *message, const unsigned char id[16], Bytes *in) {
    for (;;) {
        *in = receive(socket, message);
        if (in->at == in->end) return 0;
        char kind = (char)*in->at++;
        Value fields = next(in), answered = next(in);
        if (fields.kind == '[' && answered.kind == 's' && answered.count == 16 && !memcmp(answered.bytes.at, id, 16)) return kind;
    }
}

/* Receives an answer to a replay: P, with its rows unread; R, with its map; E, with the map of its details; or 0 after a
 * timeout. BUSY is ignored: the request is then repeated. */
static inline char receive_replay(void *socket, zmq_msg_t *message, const unsigned char id[16], Bytes *in) {
    for (;;) {
        char kind = receive_answer(socket, message, id, in);
        if (kind == 'P') next(in); /* its number */
        if (kind != 'E') return kind;
        Value code = next(in);
        next(in); /* its text */
        if (!is_text(code, "BUSY")) return kind;
    }
}
#endif
