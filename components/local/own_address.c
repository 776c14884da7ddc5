/* Preloaded into the processes of a real release: what they open on "every address" they open on their own one.

   So several nodes on one machine can have the very same `listeners` in their configuration. They must: every data import
   writes those of the importing node to all nodes, and with an address in them the other nodes lose their MQTT listener
   (docs/emqx/config.md#what-an-import-writes). The test bed of the recordings does the same. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int bind(int descriptor, const struct sockaddr *address, socklen_t length) {
    const char *own = getenv("NODE_OWN_ADDRESS");
    struct sockaddr_in changed;

    if (own && address && address->sa_family == AF_INET && length >= sizeof changed) {
        memcpy(&changed, address, sizeof changed);
        /* Port 0 is the local end of a connection to somewhere else, which a loopback address could not reach. */
        if (changed.sin_addr.s_addr == htonl(INADDR_ANY) && changed.sin_port != 0 &&
            inet_pton(AF_INET, own, &changed.sin_addr) == 1) {
            return (int)syscall(SYS_bind, descriptor, &changed, (socklen_t)sizeof changed);
        }
    }
    return (int)syscall(SYS_bind, descriptor, address, length);
}
