/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is freed stays for a while, filled with a pattern: who reads it
 * gets no pointer that leads anywhere, and who writes to it is found out. For
 * builds without AddressSanitizer, which has a quarantine of its own.
 */
#ifndef QUARANTINE_H
#define QUARANTINE_H

/* What is freed from now on, while failing.h sees it. Does nothing under
   AddressSanitizer. */
void quarantine_start(void);

/* Gives all back. Returns how many blocks were written to meanwhile. */
int quarantine_stop(void);

#endif
