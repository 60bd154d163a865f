/* The implementation of itdiff.h that the programs of rules.mk share: everything public, with files that are
 * written through to the disk as the example programs do, and the kernels of every instruction set for tests
 * with an implementation of their own. */
#include "../examples/support/system.h" /* first: it asks the system headers for POSIX */

#define ITD_FSYNC(file) system_sync(file)
#define ITDIFF_IMPLEMENTATION
#include "../itdiff.h"

const itd__kernels *shared_kernels(itd_simd simd);
const itd__kernels *shared_kernels(itd_simd simd) { return itd__kernels_of(simd); }
