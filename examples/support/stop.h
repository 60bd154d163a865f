/* stop.h: a program that is asked to stop, by Ctrl-C, kill or a terminal that is closed, goes on to where
 * everything is saved. Asked again some seconds later, it ends at once.
 *
 *     stop_listen();
 *     while (!stop_asked() && ...) ...
 *     save();
 *     stop_end();
 *
 * Meanwhile nobody has to read what it prints: `program | tee log` loses its reader with the first Ctrl-C. */
#ifndef STOP_H
#define STOP_H

#include <signal.h>
#include <time.h>

static volatile sig_atomic_t stop_was_asked;
static time_t stop_asked_at;
#ifdef SIGPIPE
static void (*stop_pipe_before)(int); /* what it did */
#endif

/* A terminal that is closed may ask twice, at once; so does `timeout`. */
static inline void stop_note(int number)
{
    time_t now = time(NULL);
    signal(number, stop_note);
#ifdef SIGHUP
    if (stop_was_asked && number == SIGHUP) return;
#endif
    if (stop_was_asked && now > stop_asked_at + 1) {
        signal(number, SIG_DFL);
        raise(number);
    }
    if (!stop_was_asked) stop_asked_at = now;
    stop_was_asked = 1;
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
    stop_pipe_before = signal(SIGPIPE, SIG_IGN);
#endif
}

/* The signals do again what they did before. */
static inline void stop_end(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
#ifdef SIGHUP
    if (signal(SIGHUP, SIG_IGN) != SIG_IGN) signal(SIGHUP, SIG_DFL);
#endif
#ifdef SIGPIPE
    if (stop_pipe_before != SIG_ERR) signal(SIGPIPE, stop_pipe_before);
#endif
}

#endif
