/* SPDX-License-Identifier: BSD-2-Clause */
/* The outbound connections of one owner that call back; NULL: none. */
#ifndef OUTBOUND_LIST_H
#define OUTBOUND_LIST_H

struct bevhost_conn;
struct bevhost_instance;
struct bevhost_outbound;

/* Their connection closes. Nothing of the plugin runs inside. */
void outbound_list_close(struct bevhost_outbound **list);

/* Where those of conn are listed, and its instance; NULL: it closes. */
void outbound_list_set_host(struct bevhost_outbound **(*find)(
    struct bevhost_conn *conn, const struct bevhost_instance **instance));

/* For those of instances: once for each process; how many there are; and when
   they end. */
void outbound_list_init(struct event_base *base);
size_t outbound_list_count(void);
void outbound_list_cancel(void);

#endif
