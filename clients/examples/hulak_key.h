/* Connecting with a key (CURVE): the file that HULAK_KEY names, as `hulak key new` writes it. bus/PROTOCOL.md section 14. */
#ifndef HULAK_KEY_H
#define HULAK_KEY_H
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define Z85_LENGTH 40 /* characters of a key; the NUL is one more */

/* Reads a line `name = "value"` of the file; returns whether there is one. */
static int read_key(FILE *file, const char *name, char *value) {
    char line[256], format[64];
    snprintf(format, sizeof format, "%s = \"%%%d[^\"]\"", name, Z85_LENGTH);
    for (rewind(file); fgets(line, sizeof line, file);)
        if (sscanf(line, format, value) == 1 && strlen(value) == Z85_LENGTH) return 1;
    return 0;
}

/* Connects a socket: with the key if HULAK_KEY names a file and the address is TCP. Returns 0, or -1 with errno set. */
static int connect_with_key(void *socket, const char *address) {
    const char *path = getenv("HULAK_KEY");
    if (!path || !*path || strncmp(address, "tcp://", 6)) return zmq_connect(socket, address);
    char public[Z85_LENGTH + 1], secret[Z85_LENGTH + 1], server[Z85_LENGTH + 1], after[Z85_LENGTH + 1], again[256];
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    int whole = read_key(file, "public", public) && read_key(file, "secret", secret) && read_key(file, "server", server);
    int changes = read_key(file, "server_next", after), one = 1;
    fclose(file);
    if (!whole) return fprintf(stderr, "%s is no key file\n", path), errno = EINVAL, -1;
    zmq_setsockopt(socket, ZMQ_IMMEDIATE, &one, sizeof one); /* nothing is queued for a connection that is not made */
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public, sizeof public);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, sizeof secret);
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, sizeof server);
    if (zmq_connect(socket, address)) return -1;
    if (!changes) return 0;
    /* The broker's key is being replaced: a second connection has the next one. Only one of the two is made. libzmq connects
     * a socket to an address only once, so this one is written with a source, any. */
    snprintf(again, sizeof again, "tcp://0.0.0.0:0;%s", address + 6);
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, after, sizeof after);
    return zmq_connect(socket, again);
}
#endif
