// listen.h — a socket for the receivers of the command line.

#ifndef API_CLI_RECEIVER_LISTEN_H
#define API_CLI_RECEIVER_LISTEN_H

// Listens on "ADDR:PORT"; NULL: on 127.0.0.1 and any port. -1: it cannot, which is said on stderr.
int listen_on(const char *command, const char *address);

unsigned listen_port(int fd); // of such a socket

#endif
