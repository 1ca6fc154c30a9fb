// SPDX-License-Identifier: MIT
// control_socket.c — messages between the supervisor and a role.

#include "common/process/control_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Space for one file descriptor, aligned as the kernel requires.
union ancillary {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

enum err control_send(int control_fd, const struct control_message *m, int fd)
{
    struct control_message copy = *m;
    struct iovec bytes = { .iov_base = &copy, .iov_len = sizeof(copy) };
    struct msghdr packet = { .msg_iov = &bytes, .msg_iovlen = 1 };
    union ancillary room;

    if (fd >= 0) {
        struct cmsghdr *header;

        memset(&room, 0, sizeof(room));
        packet.msg_control = room.bytes;
        packet.msg_controllen = sizeof(room.bytes);
        header = CMSG_FIRSTHDR(&packet);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(int));
    }
    if (sendmsg(control_fd, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return ERR_IO;
    return OK;
}

// The length of exactly one descriptor, so that the kernel installs no second one:
// the union has padding, into which another would fit.
static int take_descriptor(struct msghdr *packet)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(packet);
    int fd = -1;

    if (header != NULL && header->cmsg_level == SOL_SOCKET &&
        header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len >= CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(header), sizeof(int));
    return fd;
}

enum err control_receive(int control_fd, struct control_message *m, int *fd)
{
    struct iovec bytes = { .iov_base = m, .iov_len = sizeof(*m) };
    union ancillary room;
    struct msghdr packet = { .msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = room.bytes,
                             .msg_controllen = CMSG_LEN(sizeof(int)) };
    ssize_t n;

    *fd = -1;
    n = recvmsg(control_fd, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return ERR_AGAIN;
    if (n <= 0)
        return ERR_NOTFOUND;
    *fd = take_descriptor(&packet);
    // A message that is too long, or has more than one descriptor, is not from our
    // code. A descriptor that did not arrive, because this process has no free one,
    // is cut off, too: then there is none.
    if ((size_t)n == sizeof(*m) && (packet.msg_flags & MSG_TRUNC) == 0 &&
        ((packet.msg_flags & MSG_CTRUNC) == 0 || *fd < 0))
        return OK;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return ERR_NOTFOUND;
}
