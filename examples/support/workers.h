/* workers.h: one training by several processes, if the program is built with -DUSE_MPI (mpicc) and started
 * by mpirun; otherwise a single one. A worker that fails exits, and mpirun ends the others. Include the
 * implementation of itdiff.h before this file. */
#ifndef WORKERS_H
#define WORKERS_H

#ifdef USE_MPI
#include <mpi.h>

static inline itd_result workers_sum(void *ctx, float *x, size_t n)
{
    (void)ctx;
    while (n) {
        int some = n < (1 << 30) ? (int)n : 1 << 30;
        if (MPI_Allreduce(MPI_IN_PLACE, x, some, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD) != MPI_SUCCESS)
            return ITD_ERROR_NUMERIC;
        x += some, n -= (size_t)some;
    }
    return ITD_OK;
}

static inline itd_workers workers_begin(int *argc, char ***argv)
{
    itd_workers w = {0, 1, workers_sum, NULL};
    int rank, size;
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    w.rank = (size_t)rank, w.world_size = (size_t)size;
    return w;
}

/* Each of n numbers becomes the largest that any worker has. */
static inline void workers_agree(double *x, int n)
{
    MPI_Allreduce(MPI_IN_PLACE, x, n, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
}

static inline void workers_end(void) { MPI_Finalize(); }

#else

static inline itd_workers workers_begin(int *argc, char ***argv)
{
    itd_workers w = {0, 1, NULL, NULL};
    (void)argc, (void)argv;
    return w;
}

static inline void workers_agree(double *x, int n) { (void)x, (void)n; }
static inline void workers_end(void) {}

#endif
#endif
