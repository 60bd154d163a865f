/* stop.h: a program that is asked to stop, by Ctrl-C, kill or a terminal that is closed, goes on to where
 * everything is saved. A second request ends it at once.
 *
 *     stop_listen();
 *     while (!stop_asked() && ...) ...
 *     save();
 *     stop_ignore();
 *
 * Meanwhile nobody has to read what it prints: `program | tee log` loses its reader with the first Ctrl-C. */
#ifndef STOP_H
#define STOP_H

#include <signal.h>

static volatile sig_atomic_t stop_was_asked;

static inline void stop_note(int number)
{
    stop_was_asked = 1;
    signal(number, SIG_DFL);
}

static inline int stop_asked(void) { return stop_was_asked != 0; }

static inline void stop_listen(void)
{
    signal(SIGINT, stop_note);
    signal(SIGTERM, stop_note);
#ifdef SIGHUP
    if (signal(SIGHUP, SIG_IGN) != SIG_IGN) signal(SIGHUP, stop_note); /* nohup has it ignored */
#endif
#ifdef SIGPIPE
    signal(SIGPIPE, SIG_IGN);
#endif
}

static inline void stop_ignore(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
#ifdef SIGHUP
    if (signal(SIGHUP, SIG_IGN) != SIG_IGN) signal(SIGHUP, SIG_DFL);
#endif
#ifdef SIGPIPE
    signal(SIGPIPE, SIG_DFL);
#endif
}

#endif
