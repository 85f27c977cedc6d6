/* The part of msgpack that the programs in C need; reads every type, within bounds, without copying. The format: msgpack.org. */
#ifndef TINY_MSGPACK_H
#define TINY_MSGPACK_H
#include <math.h>
#include <string.h>

typedef unsigned long long u64;
typedef struct { const unsigned char *at, *end; } Bytes; /* the unread bytes */

typedef struct {
    char kind;     /* n nil, b bool, u and i integers, f and d fractions, s text or bytes, x extension, [ array, { map */
    u64 count;     /* the integer itself; of a bool 0 or 1; items of an array, pairs of a map, bytes of s and x */
    double number; /* any number; NAN for other kinds */
    Bytes bytes;   /* of s and x */
} Value;

/* Reads an unsigned number; a truncated one is cut, and no unread bytes remain. */
static u64 big_endian(Bytes *in, int width) {
    u64 value = 0;
    while (width-- > 0 && in->at < in->end) value = value << 8 | *in->at++;
    return value;
}

/* Reads the next value; of an array or a map only its header: its items are the next values. */
static Value next(Bytes *in) {
    static const char kinds[] = "nnbbsssxxxfduuuuiiiixxxxxsss[[{{"; /* of the tags 0xc0 to 0xdf */
    static const char widths[] = "00001241244812481248000001242424"; /* bytes of the number behind the tag */
    Value value = {'n', 0, NAN, {in->end, in->end}};
    if (in->at == in->end) return value;
    int tag = *in->at++, width = tag >= 0xc0 && tag < 0xe0 ? widths[tag - 0xc0] - '0' : 0;
    value.kind = tag < 0x80 ? 'u' : tag < 0x90 ? '{' : tag < 0xa0 ? '[' : tag < 0xc0 ? 's' : tag < 0xe0 ? kinds[tag - 0xc0] : 'i';
    u64 inside = tag < 0x80 ? 0x7f : tag < 0xa0 ? 0x0f : tag < 0xe0 ? 0x1f : 0xff; /* the bits of the tag that are a number */
    value.count = width ? big_endian(in, width) : (u64)tag & inside;
    if (value.kind == 'b') value.count = tag & 1;
    if (value.kind == 'i') { /* the sign is the highest of its bits */
        u64 sign = 1ull << (width ? 8 * width - 1 : 7);
        value.count = (value.count ^ sign) - sign;
    }
    if (value.kind == 'x') value.count = width ? value.count + 1 : (1ull << (tag - 0xd4)) + 1; /* and one byte for its type */
    if (value.kind == 's' || value.kind == 'x') {
        u64 available = (u64)(in->end - in->at);
        value.count = value.count < available ? value.count : available;
        value.bytes = (Bytes){in->at, in->at + value.count};
        in->at = value.bytes.end;
    }
    float single;
    unsigned bits = (unsigned)value.count;
    memcpy(&single, &bits, sizeof single);
    if (value.kind == 'f') value.number = single;
    if (value.kind == 'd') memcpy(&value.number, &value.count, sizeof value.number);
    if (value.kind == 'u') value.number = (double)value.count;
    if (value.kind == 'i') value.number = (double)(long long)value.count;
    return value;
}

static inline int is_text(Value value, const char *text) {
    return value.kind == 's' && value.count == strlen(text) && !memcmp(value.bytes.at, text, value.count);
}

/* Skips a value and everything inside; without recursion, since the peer determines the depth. */
static inline void skip(Bytes *in) {
    for (u64 pending = 1; pending > 0 && in->at < in->end; pending--) {
        Value value = next(in);
        pending += value.kind == '[' ? value.count : value.kind == '{' ? 2 * value.count : 0;
    }
}

/* Moves to the value of a key in the next map; to the end if the key is missing. */
static inline void seek(Bytes *in, const char *key) {
    Value map = next(in);
    for (u64 pairs = map.kind == '{' ? map.count : 0; pairs > 0 && in->at < in->end; pairs--) {
        Value name = next(in);
        if (is_text(name, key)) return;
        skip(in);
    }
    in->at = in->end;
}

/* Reads the value of a key in the next map; nil if the key is missing. */
static inline Value find(Bytes *in, const char *key) {
    seek(in, key);
    return next(in);
}
#endif
