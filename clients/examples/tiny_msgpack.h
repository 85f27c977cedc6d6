/* As much of msgpack as subscriber.c needs; reads every type, within its bytes, without copying. The format: msgpack.org. */
#ifndef TINY_MSGPACK_H
#define TINY_MSGPACK_H
#include <math.h>
#include <string.h>

typedef unsigned long long u64;
typedef struct { const unsigned char *at, *end; } Bytes; /* what is left to read */

typedef struct {
    char kind;     /* n nil, b bool, u and i whole numbers, f and d fractions, s text or bytes, x extension, [ array, { map */
    u64 count;     /* a whole number itself; items of an array, pairs of a map, bytes of s and x */
    double number; /* any number; NAN of all else */
    Bytes bytes;   /* of s and x */
} Value;

/* An unsigned number; of one that is cut off what there is, and then nothing is left to read. */
static u64 big_endian(Bytes *in, int width) {
    u64 value = 0;
    while (width-- > 0 && in->at < in->end) value = value << 8 | *in->at++;
    return value;
}

/* Reads the next value; of an array or a map only its head: its items are the next values. */
static Value next(Bytes *in) {
    static const char kinds[] = "nnbbsssxxxfduuuuiiiixxxxxsss[[{{"; /* of the tags 0xc0 to 0xdf */
    static const char widths[] = "00001241244812481248000001242424"; /* bytes of the number behind the tag */
    Value value = {'n', 0, NAN, {in->end, in->end}};
    if (in->at == in->end) return value;
    int tag = *in->at++, width = tag >= 0xc0 && tag < 0xe0 ? widths[tag - 0xc0] - '0' : 0;
    value.kind = tag < 0x80 ? 'u' : tag < 0x90 ? '{' : tag < 0xa0 ? '[' : tag < 0xc0 ? 's' : tag < 0xe0 ? kinds[tag - 0xc0] : 'i';
    u64 inside = tag < 0x80 ? 0x7f : tag < 0xa0 ? 0x0f : tag < 0xe0 ? 0x1f : 0xff; /* the bits of the tag that are a number */
    value.count = width ? big_endian(in, width) : (u64)tag & inside;
    if (value.kind == 'i') { /* the sign is the highest of its bits */
        u64 sign = 1ull << (width ? 8 * width - 1 : 7);
        value.count = (value.count ^ sign) - sign;
    }
    if (value.kind == 'x') value.count = width ? value.count + 1 : (1ull << (tag - 0xd4)) + 1; /* one byte more: its own type */
    if (value.kind == 's' || value.kind == 'x') {
        u64 left = (u64)(in->end - in->at);
        value.count = value.count < left ? value.count : left;
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

/* Goes over one value and all that is in it; without recursion, since a stranger says how deep it is. */
static void skip(Bytes *in) {
    for (u64 left = 1; left > 0 && in->at < in->end; left--) {
        Value value = next(in);
        left += value.kind == '[' ? value.count : value.kind == '{' ? 2 * value.count : 0;
    }
}

/* Goes to the value of a key of the map that comes next; to the end if the key is not there. */
static void seek(Bytes *in, const char *key) {
    Value map = next(in);
    for (u64 pairs = map.kind == '{' ? map.count : 0; pairs > 0 && in->at < in->end; pairs--) {
        Value name = next(in);
        if (name.kind == 's' && name.count == strlen(key) && !memcmp(name.bytes.at, key, name.count)) return;
        skip(in);
    }
    in->at = in->end;
}

/* Reads the value of a key of the map that comes next; nil if the key is not there. */
static Value find(Bytes *in, const char *key) {
    seek(in, key);
    return next(in);
}
#endif
