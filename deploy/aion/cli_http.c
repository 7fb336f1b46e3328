#include "cli.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int dial(int port)
{
    const struct timeval limit = {2, 0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

int cli_http_get(int port, const char *path, struct aion_buf *out)
{
    char request[256], chunk[4096];
    int fd = dial(port);
    if (fd < 0)
        return 0;
    int size =
        snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
    ssize_t n = send(fd, request, (size_t)size, MSG_NOSIGNAL);
    while (n > 0 && (n = recv(fd, chunk, sizeof(chunk), 0)) > 0)
        aion_buf_add(out, chunk, (size_t)n);
    close(fd);
    uint64_t status = 0;
    if (out->size < 12 || strncmp(out->data, "HTTP/1.1 ", 9) != 0 ||
        !aion_str_u64(aion_str_n(out->data + 9, 3), &status))
        return 0;
    const char *body = strstr(out->data, "\r\n\r\n");
    aion_buf_consume(out, body != NULL ? (size_t)(body + 4 - out->data) : out->size);
    return (int)status;
}
