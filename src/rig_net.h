/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No network: who links rig_net.c has its connect() and getaddrinfo() in place
 * of libc's. Once it has started, what is connected leads to the other end of a
 * socket pair, and names are looked up nowhere.
 */
#ifndef RIG_NET_H
#define RIG_NET_H

/* Who hears of a connection: gets its far end, which is non-blocking, or
   refuses it by not taking it and returning a positive errno. The near one
   becomes fd. NULL: stops. */
void rig_net_start(int (*on_connect)(int far, int near, int fd));

/* Both ends, non-blocking and closed by exec. 0 or -1. */
int rig_net_pair(int fds[2]);

#endif
