/* system.h: the few things standard C cannot say, and the only file of the examples that asks the operating
 * system for them: clocks, the name of the process, whether a stream is a terminal, making directories,
 * flushing a file to disk, the number and the patience of threads. Each has a POSIX spelling, a Windows
 * spelling where there is one, and a plain C fallback that degrades gently (define SYSTEM_PLAIN_C to try it).
 *
 * Include this file before any other header: under -std=c99 the C library shows its POSIX declarations
 * only to programs that ask for them, with the macro below, before the first system header is read. */
#ifndef SYSTEM_H
#define SYSTEM_H

#if defined(SYSTEM_PLAIN_C)
/* asked for by name */
#elif defined(_WIN32)
#define SYSTEM_WINDOWS
#elif defined(__unix__) || defined(__APPLE__)
#define SYSTEM_POSIX
#if defined(__GLIBC__) && !defined(__USE_POSIX199309)
#error "include system.h before any other header (it asks the C library for POSIX)"
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200112L
#endif
#endif

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(_OPENMP)
#include <omp.h>
#endif

#if defined(SYSTEM_POSIX)
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#elif defined(SYSTEM_WINDOWS)
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <direct.h>
#include <io.h>
#include <windows.h>
#endif

/* Wall clock in seconds since some fixed moment. It never runs backwards where the system offers such a
 * clock; plain C has only whole seconds. */
static inline double system_seconds(void)
{
#if defined(SYSTEM_POSIX)
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) == 0) return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
#elif defined(SYSTEM_WINDOWS)
    LARGE_INTEGER ticks, per_second;
    if (QueryPerformanceFrequency(&per_second) && QueryPerformanceCounter(&ticks))
        return (double)ticks.QuadPart / (double)per_second.QuadPart;
#endif
    return difftime(time(NULL), (time_t)0);
}

/* Seconds since 1970 by the calendar, for time stamps; plain C has only whole ones. */
static inline double system_date(void)
{
#if defined(SYSTEM_POSIX)
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) == 0) return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
#elif defined(SYSTEM_WINDOWS)
    FILETIME now; /* in units of 100 ns since 1601 */
    GetSystemTimeAsFileTime(&now);
    return 1e-7 * (4294967296.0 * (double)now.dwHighDateTime + (double)now.dwLowDateTime) - 11644473600.0;
#endif
    return (double)time(NULL);
}

/* HOST.NUMBER of this process, unique among those that run now; plain C knows neither. */
static inline void system_process_name(char *name, size_t size)
{
    char host[64] = "localhost";
    unsigned long number = 0;
#if defined(SYSTEM_POSIX)
    if (gethostname(host, sizeof host) != 0 || !*host) strcpy(host, "localhost");
    number = (unsigned long)getpid();
#elif defined(SYSTEM_WINDOWS)
    DWORD room = sizeof host;
    if (!GetComputerNameA(host, &room)) strcpy(host, "localhost");
    number = (unsigned long)GetCurrentProcessId();
#endif
    host[sizeof host - 1] = '\0';
    snprintf(name, size, "%s.%lu", host, number);
}

/* Whether someone is watching the stream; plain C cannot know and says no. */
static inline int system_is_terminal(FILE *file)
{
#if defined(SYSTEM_POSIX)
    return isatty(fileno(file)) == 1;
#elif defined(SYSTEM_WINDOWS)
    return _isatty(_fileno(file)) != 0;
#else
    (void)file;
    return 0;
#endif
}

/* Whether the stream is a terminal that understands the escape codes of 256 colours and UTF-8, and NO_COLOR
 * (no-color.org) is not set. The console of Windows has to be asked for both. */
static inline int system_has_colors(FILE *file)
{
    const char *refused = getenv("NO_COLOR"), *kind = getenv("TERM");
    if (!system_is_terminal(file) || (refused && *refused)) return 0;
#if defined(SYSTEM_WINDOWS)
    HANDLE console = (HANDLE)_get_osfhandle(_fileno(file));
    DWORD mode, escapes = 4; /* ENABLE_VIRTUAL_TERMINAL_PROCESSING */
    (void)kind;
    return GetConsoleMode(console, &mode) && SetConsoleMode(console, mode | escapes) &&
           SetConsoleOutputCP(CP_UTF8);
#else
    return kind && *kind && strcmp(kind, "dumb") != 0;
#endif
}

/* Flushes the stream and, on POSIX, waits until its bytes are on the disk. Returns 0, or -1 on failure. A
 * pipe or a device has no disk to wait for (EINVAL), which is no failure. */
static inline int system_sync(FILE *file)
{
    if (fflush(file) != 0) return -1;
#if defined(SYSTEM_POSIX)
    if (fsync(fileno(file)) != 0 && errno != EINVAL && errno != ENOTSUP) return -1;
#endif
    return 0;
}

/* Takes an open file for this process, until it ends, however it ends; false: another one has it. */
static inline int system_lock(FILE *file)
{
#if defined(SYSTEM_POSIX)
    struct flock all;
    memset(&all, 0, sizeof all);
    all.l_type = F_WRLCK, all.l_whence = SEEK_SET;
    return fcntl(fileno(file), F_SETLK, &all) == 0 || (errno != EACCES && errno != EAGAIN);
#else
    (void)file;
    return 1;
#endif
}

/* Whether the path is of a named pipe. */
static inline int system_is_pipe(const char *path)
{
#if defined(SYSTEM_POSIX)
    struct stat about;
    return stat(path, &about) == 0 && S_ISFIFO(about.st_mode);
#else
    (void)path;
    return 0;
#endif
}

/* Whether the paths are of one file; a file that is not there has but one path. */
static inline int system_is_same_file(const char *a, const char *b)
{
#if defined(SYSTEM_POSIX)
    struct stat of_a, of_b;
    if (stat(a, &of_a) == 0 && stat(b, &of_b) == 0)
        return S_ISREG(of_a.st_mode) && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
#endif
    return strcmp(a, b) == 0;
}

/* Whether the path is a symbolic link, be there something behind it or not. */
static inline int system_is_link(const char *path)
{
#if defined(SYSTEM_POSIX)
    struct stat about;
    return lstat(path, &about) == 0 && S_ISLNK(about.st_mode);
#else
    (void)path;
    return 0;
#endif
}

/* A file takes the name of another, in the place of one that has it; errno says ENOENT if there is none. */
static inline int system_replace(const char *file, const char *name)
{
#if defined(SYSTEM_WINDOWS)
    if (MoveFileExA(file, name, MOVEFILE_REPLACE_EXISTING)) return 0;
    errno = GetLastError() == ERROR_FILE_NOT_FOUND ? ENOENT : EIO;
    return -1;
#else
    return rename(file, name);
#endif
}

/* Makes one directory. An existing one is as good as a new one; a file in its place is not. Plain C cannot
 * make any: it hopes that the user has, and leaves it to the next fopen to tell. */
static inline int system_make_one_directory(const char *path)
{
#if defined(SYSTEM_POSIX)
    struct stat about;
    if (mkdir(path, 0777) == 0) return 0;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode) ? 0 : -1;
#elif defined(SYSTEM_WINDOWS)
    DWORD about;
    if (_mkdir(path) == 0) return 0;
    about = GetFileAttributesA(path);
    return about != INVALID_FILE_ATTRIBUTES && (about & FILE_ATTRIBUTE_DIRECTORY) ? 0 : -1;
#else
    (void)path;
    return 0;
#endif
}

static inline int system_is_separator(char c)
{
#if defined(SYSTEM_WINDOWS)
    if (c == '\\') return 1;
#endif
    return c == '/';
}

/* Makes a directory and the parents it lacks: every prefix of the path that ends before a separator, from
 * the left. Failures on the way (a drive letter, a parent one may not write to) matter only if the last
 * one fails. Returns 0, or -1 on failure. */
static inline int system_make_directory(const char *path)
{
    size_t length = strlen(path);
    char *prefix = length ? malloc(length + 1) : NULL;
    int status;
    if (!prefix) return -1;
    memcpy(prefix, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (!system_is_separator(prefix[i]) || system_is_separator(prefix[i - 1])) continue;
        prefix[i] = '\0';
        (void)system_make_one_directory(prefix);
        prefix[i] = path[i];
    }
    status = system_make_one_directory(prefix);
    free(prefix);
    return status;
}

/* 0: one per processor. */
static inline void system_set_threads(size_t threads)
{
#if defined(_OPENMP)
    if (threads) omp_set_num_threads((int)threads);
#else
    (void)threads;
#endif
}

static inline int system_threads(void)
{
#if defined(_OPENMP)
    return omp_get_max_threads();
#else
    return 1;
#endif
}

/* A program that is started without standard streams would print into the first files that it opens. */
static inline void system_open_streams(void)
{
#if defined(SYSTEM_POSIX)
    FILE *file;
    do file = fopen("/dev/null", "r+");
    while (file && fileno(file) <= 2);
    if (file) fclose(file);
#endif
}

/* Threads of OpenMP wait for each other in a busy loop unless OMP_WAIT_POLICY=passive is in the environment
 * when the program starts; on a processor they share with others, that makes two threads many times slower
 * than one. So a program that finds the variable unset sets it and starts itself over. Harmless without
 * OpenMP or POSIX: nothing happens. */
static inline void system_patient_threads(char **argv)
{
    system_open_streams();
#if defined(SYSTEM_POSIX) && defined(_OPENMP)
    if (getenv("OMP_WAIT_POLICY") || setenv("OMP_WAIT_POLICY", "passive", 1)) return;
    setenv("GOMP_SPINCOUNT", "1000", 0); /* some 20 microseconds: the pauses inside a step are shorter */
    execvp(argv[0], argv);               /* returns only if it failed: then things stay as they were */
#else
    (void)argv;
#endif
}

#endif
